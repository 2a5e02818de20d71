//! Many callers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::WalletId;
use flysk_domain::platform::ledger::Refusal;
use flysk_domain::{Clock, ManualClock};
use flysk_store::StoreError;
use flysk_store::ledger::{Outcome, Teller};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::task::JoinSet;

use crate::bank::{Bank, charge, key};

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hot_wallet_pays_as_often_as_it_can_and_never_more(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(300, None)).await;
    // Two tellers, as two processes would be.
    let tellers = [0, 1].map(|_| Teller::new(bank.pool.clone(), Arc::new(bank.clock.clone())));
    let mut callers = JoinSet::new();
    for number in 0..500 {
        let teller = tellers[number % 2].clone();
        let instruction = bank.instruction(charge(1)).keyed(key(format!("k-{number}"), "a"));
        callers.spawn(async move { teller.submit(wallet, instruction).await.unwrap() });
    }
    let outcomes = callers.join_all().await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    let refused =
        outcomes.iter().filter(|outcome| **outcome == Outcome::Refused(Refusal::Insufficient)).count();
    assert_eq!((done, refused), (300, 200));
    assert_eq!(bank.balance(wallet).await, (0, 0));
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn one_key_at_many_wallets_pays_once(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let teller = Teller::new(bank.pool.clone(), Arc::new(bank.clock.clone()));
    let mut wallets = Vec::new();
    for _ in 0..6 {
        let wallet = bank.wallet().await;
        bank.done(wallet, bank.credit(10, None)).await;
        wallets.push(wallet);
    }
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for wallet in wallets.clone() {
            let teller = teller.clone();
            let instruction = bank.instruction(charge(1)).keyed(key(format!("round-{round}"), "a"));
            callers.spawn(async move { teller.submit(wallet, instruction).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        let answers: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Done(answer) | Outcome::Replayed(answer) => answer.transaction,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count(), 1);
    }
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_instruction_that_cannot_be_written_fails_alone(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    let teller = Teller::new(bank.pool.clone(), Arc::new(bank.clock.clone()));
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let teller = teller.clone();
        let text = if number == 7 { "k".repeat(200) } else { format!("k-{number}") };
        let instruction = bank.instruction(charge(1)).keyed(key(text, "a"));
        callers.spawn(async move { teller.submit(wallet, instruction).await.is_ok() });
    }
    let written = callers.join_all().await.into_iter().filter(|written| *written).count();
    assert_eq!((written, bank.balance(wallet).await), (19, (81, 0)));
}

/// The database is away: all who wait are told so after one wait for a connection, not one after the other.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_database_that_is_away_is_waited_for_once(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    const CALLERS: u32 = 40;
    let wait = Duration::from_secs(1);
    let bank = Bank::open(options, connect.clone()).await;
    let nowhere = connect.host("127.0.0.1").port(1);
    let away = MySqlPoolOptions::new().acquire_timeout(wait).connect_lazy_with(nowhere);
    let teller = Teller::new(away, Arc::new(bank.clock.clone()));
    let wallet = WalletId::generate(&bank.clock);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (teller, instruction) = (teller.clone(), bank.instruction(charge(1)));
        callers.spawn(async move { teller.submit(wallet, instruction).await });
    }
    let answers = tokio::time::timeout(wait * CALLERS / 4, callers.join_all()).await.unwrap();
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Database(sqlx::Error::PoolTimedOut))), "{answer:?}");
    }
}

/// A clock that breaks once.
#[derive(Debug, Clone)]
struct Fragile {
    clock: ManualClock,
    breaks: Arc<AtomicBool>,
}

impl Clock for Fragile {
    fn now(&self) -> DateTime<Utc> {
        assert!(!self.breaks.swap(false, Ordering::Relaxed), "the clock breaks");
        self.clock.now()
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_panic_fails_who_waits_and_nobody_after(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    let breaks = Arc::new(AtomicBool::new(true));
    let clock = Fragile { clock: bank.clock.clone(), breaks };
    let teller = Teller::new(bank.pool.clone(), Arc::new(clock));
    let lost = teller.submit(wallet, bank.instruction(charge(1))).await;
    assert!(matches!(lost, Err(StoreError::Stale { what: "teller" })), "{lost:?}");
    let next =
        tokio::time::timeout(Duration::from_secs(20), teller.submit(wallet, bank.instruction(charge(1))));
    assert!(matches!(next.await.unwrap(), Ok(Outcome::Done(_))));
    assert_eq!(bank.balance(wallet).await, (99, 0));
}
