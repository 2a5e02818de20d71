//! Charges a second on one hot wallet and over a thousand, beside the plain ways to do it, in one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flysk_domain::id::{InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Line, Origin, Service};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::ledger::{self, IdempotencyKey, Instruction, Outcome, Teller};
use flysk_store::{Pool, StoreError};
use tokio::task::JoinSet;

use super::servers::Servers;
use super::table::{Table, at_least, budgets};
use super::times::Times;

/// Callers at once.
const CALLERS: usize = 64;
/// Connections, as one process would have.
const CONNECTIONS: u32 = 16;
/// Charges measured of each way, on each number of wallets.
const CHARGES: usize = 20_000;
const MANY: usize = 1_000;
/// Charges a second on one wallet.
const BUDGET: f64 = 2_000.0;

/// How a charge is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `SELECT … FOR UPDATE` on the wallet, a balance, two entries; no lots, no keys, no receipt.
    RowLock,
    /// `UPDATE … WHERE available >= ?` instead of the lock, the rest the same.
    Conditional,
    /// The whole ledger under the same lock, one charge a transaction.
    Apply,
    /// The whole ledger, what waits for a wallet in one transaction.
    Teller,
}

impl Way {
    const ALL: [Self; 4] = [Self::RowLock, Self::Conditional, Self::Apply, Self::Teller];

    const fn words(self) -> &'static str {
        match self {
            Self::RowLock => "naive: `SELECT … FOR UPDATE`, balance and entries only",
            Self::Conditional => "naive: `UPDATE … WHERE available >= ?`, balance and entries only",
            Self::Apply => "our ledger, one charge a transaction",
            Self::Teller => "our ledger, by the teller",
        }
    }
}

/// What one way came to.
struct Measured {
    way: Way,
    wallets: usize,
    rate: f64,
    times: Times,
}

/// Runs the part.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let (url, pool) = servers.fresh_database().await?;
    pool.close().await;
    let pool = flysk_store::connect(&url, CONNECTIONS).await?;
    let mut all = Vec::new();
    for wallets in [1, MANY] {
        for way in Way::ALL {
            all.push(measure(&pool, way, wallets).await?);
        }
    }
    // Only the whole ledger's wallets can be proven: the naive ways write no lots and no keys.
    report(&all)
}

async fn measure(pool: &Pool, way: Way, wallets: usize) -> anyhow::Result<Measured> {
    let wallets: Arc<[WalletId]> = fill(pool, wallets).await?.into();
    let teller = Teller::new(pool.clone(), Arc::new(SystemClock));
    let next = Arc::new(AtomicUsize::new(0));
    let service: Service = Service::RECOGNITION.parse()?;
    let began = Instant::now();
    let mut callers: JoinSet<anyhow::Result<Vec<Duration>>> = JoinSet::new();
    for _ in 0..CALLERS {
        let (pool, teller, service) = (pool.clone(), teller.clone(), service.clone());
        let (wallets, next) = (Arc::clone(&wallets), Arc::clone(&next));
        callers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CHARGES {
                    return Ok(taken);
                }
                let wallet = wallets[number % wallets.len()];
                let began = Instant::now();
                match way {
                    Way::RowLock | Way::Conditional => naive(&pool, way, wallet).await?,
                    Way::Apply => whole(&pool, None, wallet, &service).await?,
                    Way::Teller => whole(&pool, Some(&teller), wallet, &service).await?,
                }
                taken.push(began.elapsed());
            }
        });
    }
    let mut taken = Vec::with_capacity(CHARGES);
    while let Some(caller) = callers.join_next().await {
        taken.extend(caller??);
    }
    let elapsed = began.elapsed();
    check(pool, &wallets).await?;
    let rate = f64::from(u32::try_from(taken.len())?) / elapsed.as_secs_f64();
    let times = Times::new(taken).context("nothing was charged")?;
    Ok(Measured { way, wallets: wallets.len(), rate, times })
}

/// Every charge took its coin, exactly once, whatever the way.
async fn check(pool: &Pool, wallets: &[WalletId]) -> anyhow::Result<()> {
    let each = i64::try_from(CHARGES)?;
    let mut left = 0;
    for wallet in wallets {
        let row = ledger::find_wallet(&mut *pool.acquire().await?, *wallet).await?;
        left += row.context("the wallet is gone")?.available.0;
    }
    let given = each * i64::try_from(wallets.len())?;
    ensure!(given - left == each, "{} charges took {} coins", each, given - left);
    Ok(())
}

/// Wallets with coins for every charge.
async fn fill(pool: &Pool, count: usize) -> anyhow::Result<Vec<WalletId>> {
    let (clock, widget) = (SystemClock, WidgetId::generate(&SystemClock));
    let amount = MicroCoins(i64::try_from(CHARGES)?);
    let mut wallets = Vec::with_capacity(count);
    let mut tx = pool.begin().await?;
    for _ in 0..count {
        let wallet = WalletId::generate(&clock);
        ledger::insert_wallet(&mut tx, wallet, InstallId::generate(&clock), widget, clock.now()).await?;
        let lot = LotId::generate(&clock);
        let credit = Command::Credit { lot, origin: Origin::Package, amount, expires_at: None };
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

/// The whole ledger, under an idempotency key; by the teller or in a transaction of its own.
async fn whole(
    pool: &Pool,
    teller: Option<&Teller>,
    wallet: WalletId,
    service: &Service,
) -> anyhow::Result<()> {
    let transaction = TransactionId::generate(&SystemClock);
    let key = IdempotencyKey { text: transaction.to_string(), body_hash: "0".repeat(64) };
    let command = Command::Charge { lines: vec![Line { service: service.clone(), amount: MicroCoins(1) }] };
    let instruction = Instruction::new(transaction, command).keyed(key);
    let outcome = if let Some(teller) = teller {
        teller.submit(wallet, instruction).await?
    } else {
        let mut tx = pool.begin().await?;
        let outcomes = ledger::apply(&mut tx, wallet, &[instruction], &SystemClock).await?;
        tx.commit().await?;
        outcomes.into_iter().next().context("the ledger gave no outcome")?
    };
    let Outcome::Done(_) = outcome else { bail!("the charge was answered with {outcome:?}") };
    Ok(())
}

fn report(all: &[Measured]) -> anyhow::Result<String> {
    let hot = |way| all.iter().find(|one| one.way == way && one.wallets == 1).context("not measured");
    let (naive, teller) = (hot(Way::RowLock)?, hot(Way::Teller)?);
    let mut table = Table::new(&["way", "wallets", "charges/s", "p50", "p99", "to the row lock"]);
    for Measured { way, wallets, rate, times } in all {
        let peer = all.iter().find(|one| one.way == Way::RowLock && one.wallets == *wallets);
        table.row(vec![
            way.words().to_owned(),
            wallets.to_string(),
            format!("{rate:.0}"),
            format!("{:.1} ms", times.ms(50)),
            format!("{:.1} ms", times.ms(99)),
            peer.map_or_else(String::new, |peer| format!("{:.2} ×", rate / peer.rate)),
        ]);
    }
    let mut verdicts = budgets();
    verdicts.row(vec![
        "≥ 2,000 charges/s on one hot wallet, never negative".to_owned(),
        format!("{:.0} charges/s, {:.1} × the plain row lock", teller.rate, teller.rate / naive.rate),
        at_least(teller.rate, BUDGET, "each batch is a commit to disk and a dozen statements"),
    ]);
    Ok(format!(
        "{table}\n{verdicts}\n{CHARGES} charges by {CALLERS} callers over {CONNECTIONS} connections of one process, each way on wallets of its own. The naive\n\
         ways keep no lots, keys and receipts, so they do less; ours write all of it. After each, the coins that are gone are as many\n\
         as the charges.\n"
    ))
}
