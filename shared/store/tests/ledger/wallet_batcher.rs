//! Concurrent callers of the wallet batcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::WalletId;
use flysk_domain::platform::ledger::LedgerRefusal;
use flysk_domain::{Clock, ManualClock};
use flysk_domain::{Randomness, SystemRandomness};
use flysk_store::StoreError;
use flysk_store::platform::ledger::{CommandOutcome, WalletBatcher};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::task::JoinSet;

use crate::ledger_fixture::{LedgerFixture, charge, key};

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hot_wallet_is_charged_until_empty_and_never_below_zero(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(300, None)).await;
    // Two batchers, like two processes.
    let batchers = [0, 1].map(|_| WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone())));
    let mut callers = JoinSet::new();
    for number in 0..500 {
        let batcher = batchers[number % 2].clone();
        let instruction = fixture.instruction(charge(1)).keyed(key(format!("k-{number}"), "a"));
        callers.spawn(async move { batcher.submit(wallet, instruction).await.unwrap() });
    }
    let outcomes = callers.join_all().await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, CommandOutcome::Done(_))).count();
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == CommandOutcome::Refused(LedgerRefusal::Insufficient))
        .count();
    assert_eq!((done, refused), (300, 200));
    assert_eq!(fixture.balance(wallet).await, (0, 0));
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn one_key_for_many_wallets_charges_once(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    let mut wallets = Vec::new();
    for _ in 0..6 {
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(10, None)).await;
        wallets.push(wallet);
    }
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for wallet in wallets.clone() {
            let batcher = batcher.clone();
            let instruction = fixture.instruction(charge(1)).keyed(key(format!("round-{round}"), "a"));
            callers.spawn(async move { batcher.submit(wallet, instruction).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        let answers: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                CommandOutcome::Done(answer) | CommandOutcome::Replayed(answer) => answer.transaction,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, CommandOutcome::Done(_))).count(), 1);
    }
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_command_that_cannot_be_stored_fails_alone(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let batcher = batcher.clone();
        let text = if number == 7 { "k".repeat(200) } else { format!("k-{number}") };
        let instruction = fixture.instruction(charge(1)).keyed(key(text, "a"));
        callers.spawn(async move { batcher.submit(wallet, instruction).await.is_ok() });
    }
    let written = callers.join_all().await.into_iter().filter(|written| *written).count();
    assert_eq!((written, fixture.balance(wallet).await), (19, (81, 0)));
}

/// If the database is unavailable, all waiting callers get the error after one connection timeout, not one after another.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn callers_share_one_connection_timeout_while_the_database_is_down(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    const CALLERS: u32 = 40;
    let wait = Duration::from_secs(1);
    let fixture = LedgerFixture::open(options, connect.clone()).await;
    let nowhere = connect.host("127.0.0.1").port(1);
    let away = MySqlPoolOptions::new().acquire_timeout(wait).connect_lazy_with(nowhere);
    let batcher = WalletBatcher::new(away, Arc::new(fixture.clock.clone()));
    let wallet = WalletId::generate(&fixture.clock);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (batcher, instruction) = (batcher.clone(), fixture.instruction(charge(1)));
        callers.spawn(async move { batcher.submit(wallet, instruction).await });
    }
    let answers = tokio::time::timeout(wait * CALLERS / 4, callers.join_all()).await.unwrap();
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Database(sqlx::Error::PoolTimedOut))), "{answer:?}");
    }
}

/// A clock that panics once.
#[derive(Debug, Clone)]
struct Fragile {
    clock: ManualClock,
    breaks: Arc<AtomicBool>,
}

impl Randomness for Fragile {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for Fragile {
    fn now(&self) -> DateTime<Utc> {
        assert!(!self.breaks.swap(false, Ordering::Relaxed), "the clock breaks");
        self.clock.now()
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_panic_fails_only_the_waiting_callers(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let breaks = Arc::new(AtomicBool::new(true));
    let clock = Fragile { clock: fixture.clock.clone(), breaks };
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(clock));
    let lost = batcher.submit(wallet, fixture.instruction(charge(1))).await;
    assert!(matches!(lost, Err(StoreError::WrongState { what: "group commit" })), "{lost:?}");
    let next =
        tokio::time::timeout(Duration::from_secs(20), batcher.submit(wallet, fixture.instruction(charge(1))));
    assert!(matches!(next.await.unwrap(), Ok(CommandOutcome::Done(_))));
    assert_eq!(fixture.balance(wallet).await, (99, 0));
}
