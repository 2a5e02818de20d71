//! Charges a second on one hot wallet and over many, four ways, in one run:
//!
//! * `row lock`: `SELECT … FOR UPDATE` on the wallet, then update and insert; one charge a transaction, no lots,
//!   no keys: the least a ledger can do;
//! * `conditional`: `UPDATE … WHERE available >= ?` instead of the lock, the rest the same;
//! * `apply`: the whole ledger, one instruction a transaction;
//! * `teller`: the whole ledger, what waits for a wallet in one transaction.
//!
//! `cargo run --release -p flysk-store --example ledger_contention -- mysql://root@127.0.0.1:3306/scratch [charges]`
//!
//! The database is migrated and filled; use one that may be thrown away.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flysk_domain::id::{InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Line, Origin, Service};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::ledger::{self, IdempotencyKey, Instruction, Outcome, Teller};
use flysk_store::{Pool, StoreError};
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Callers at once.
const CALLERS: usize = 64;
/// Connections, as one process would have.
const CONNECTIONS: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    RowLock,
    Conditional,
    Apply,
    Teller,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("want the URL of a scratch database")?;
    let charges: usize = args.next().map_or(Ok(5_000), |text| text.parse())?;
    let pool = flysk_store::connect(&url, CONNECTIONS).await?;
    flysk_migrations::MIGRATOR.run(&pool).await?;
    println!("{:<12} {:>8} {:>10} {:>9} {:>9}", "way", "wallets", "charges/s", "p50 ms", "p99 ms");
    for wallets in [1, 1_000] {
        for way in [Way::RowLock, Way::Conditional, Way::Apply, Way::Teller] {
            run(&pool, way, wallets, charges).await?;
        }
    }
    Ok(())
}

async fn run(pool: &Pool, way: Way, wallets: usize, charges: usize) -> Result<(), Failure> {
    let wallets: Arc<[WalletId]> = fill(pool, wallets, charges).await?.into();
    let teller = Teller::new(pool.clone(), Arc::new(SystemClock));
    let next = Arc::new(AtomicUsize::new(0));
    let service: Service = Service::RECOGNITION.parse()?;
    let began = Instant::now();
    let mut callers: JoinSet<Result<Vec<Duration>, Failure>> = JoinSet::new();
    for _ in 0..CALLERS {
        let (pool, teller, wallets, next) =
            (pool.clone(), teller.clone(), Arc::clone(&wallets), Arc::clone(&next));
        let service = service.clone();
        callers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= charges {
                    return Ok(taken);
                }
                let wallet = wallets[number % wallets.len()];
                let began = Instant::now();
                match way {
                    Way::RowLock | Way::Conditional => naive(&pool, way, wallet).await?,
                    Way::Apply | Way::Teller => whole(&pool, &teller, way, wallet, service.clone()).await?,
                }
                taken.push(began.elapsed());
            }
        });
    }
    let mut taken = Vec::new();
    while let Some(caller) = callers.join_next().await {
        taken.extend(caller??);
    }
    report(way, wallets.len(), began.elapsed(), taken);
    Ok(())
}

fn report(way: Way, wallets: usize, elapsed: Duration, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let count = u32::try_from(taken.len()).unwrap_or(u32::MAX);
    let rate = f64::from(count) / elapsed.as_secs_f64();
    let name = format!("{way:?}");
    println!("{name:<12} {wallets:>8} {rate:>10.0} {:>9.1} {:>9.1}", at(50), at(99));
}

/// Wallets with coins for every charge.
async fn fill(pool: &Pool, count: usize, charges: usize) -> Result<Vec<WalletId>, Failure> {
    let (clock, widget) = (SystemClock, WidgetId::generate(&SystemClock));
    let mut wallets = Vec::with_capacity(count);
    let coins = MicroCoins(i64::try_from(charges)?);
    let mut tx = pool.begin().await?;
    for _ in 0..count {
        let wallet = WalletId::generate(&clock);
        ledger::insert_wallet(&mut tx, wallet, InstallId::generate(&clock), widget, clock.now()).await?;
        let lot = LotId::generate(&clock);
        let credit = Command::Credit { lot, origin: Origin::Package, amount: coins, expires_at: None };
        let instruction = Instruction::new(TransactionId::generate(&clock), credit);
        ledger::apply(&mut tx, wallet, &[instruction], &clock).await?;
        wallets.push(wallet);
    }
    tx.commit().await?;
    Ok(wallets)
}

/// The least a ledger can do: a balance and two entries.
async fn naive(pool: &Pool, way: Way, wallet: WalletId) -> Result<(), StoreError> {
    let (clock, wallet) = (SystemClock, wallet.to_string());
    let id = TransactionId::generate(&clock).to_string();
    let mut tx = pool.begin().await?;
    if way == Way::RowLock {
        sqlx::query("SELECT available_micro FROM wallets WHERE id = ? FOR UPDATE")
            .bind(&wallet)
            .fetch_one(&mut *tx)
            .await?;
    }
    sqlx::query(
        "UPDATE wallets SET available_micro = available_micro - 1 WHERE id = ? AND available_micro >= 1",
    )
    .bind(&wallet)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO ledger_transactions (id, wallet_id, kind, created_at) VALUES (?, ?, 'charge', ?)",
    )
    .bind(&id)
    .bind(&wallet)
    .bind(clock.now())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, amount_micro)
         VALUES (?, 0, ?, 'available', -1), (?, 1, ?, 'spent:flysense.recognition', 1)",
    )
    .bind(&id)
    .bind(&wallet)
    .bind(&id)
    .bind(&wallet)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The whole ledger, under an idempotency key.
async fn whole(
    pool: &Pool,
    teller: &Teller,
    way: Way,
    wallet: WalletId,
    service: Service,
) -> Result<(), Failure> {
    let transaction = TransactionId::generate(&SystemClock);
    let key = IdempotencyKey { text: transaction.to_string(), body_hash: "0".repeat(64) };
    let command = Command::Charge { lines: vec![Line { service, amount: MicroCoins(1) }] };
    let instruction = Instruction::new(transaction, command).keyed(key);
    let outcome = if way == Way::Teller {
        teller.submit(wallet, instruction).await?
    } else {
        let mut tx = pool.begin().await?;
        let mut outcomes = ledger::apply(&mut tx, wallet, &[instruction], &SystemClock).await?;
        tx.commit().await?;
        outcomes.remove(0)
    };
    if matches!(outcome, Outcome::Done(_)) { Ok(()) } else { Err(format!("{outcome:?}").into()) }
}
