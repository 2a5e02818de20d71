//! Concurrent callers of the wallet batcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{WalletId, WidgetId};
use flysk_domain::platform::ledger::LedgerRefusal;
use flysk_domain::{Clock, ManualClock};
use flysk_domain::{Randomness, SystemRandomness};
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletBatcher};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::task::JoinSet;

use crate::ledger_fixture::{LedgerFixture, charge, key};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn one_key_for_many_wallets_charges_once(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    let mut wallets = Vec::new();
    for _ in 0..6 {
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(20, None)).await;
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

/// Widgets choose their keys independently, so a text may be a key of each.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn equal_keys_of_widgets_are_told_apart(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let mut fixture = LedgerFixture::open(options, connect).await;
    let mut wallets = Vec::new();
    for charges in [1, 4, 7, 10, 13] {
        fixture.widget = WidgetId::generate(&fixture.clock);
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(100, None)).await;
        wallets.push((wallet, charges));
    }
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    for is_first in [true, false] {
        let mut callers = JoinSet::new();
        for (wallet, charges) in wallets.clone() {
            for number in 0..charges {
                let batcher = batcher.clone();
                let instruction = fixture.instruction(charge(1)).keyed(key(format!("k-{number}"), "a"));
                callers.spawn(async move { batcher.submit(wallet, instruction).await.unwrap() });
            }
        }
        for outcome in callers.join_all().await {
            let is_done = matches!(outcome, CommandOutcome::Done(_));
            let is_replayed = matches!(outcome, CommandOutcome::Replayed(_));
            assert_eq!((is_done, is_replayed), (is_first, !is_first), "{outcome:?}");
        }
    }
    for (wallet, charges) in wallets {
        assert_eq!(fixture.balance(wallet).await, (100 - charges, 0));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

/// If the database is unavailable, all waiting callers get the error after one connection timeout, not one group after another.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn callers_share_one_connection_timeout_while_the_database_is_down(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    /// More than six groups.
    const CALLERS: u32 = 800;
    let wait = Duration::from_secs(3);
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
    let answers = tokio::time::timeout(wait * 5, callers.join_all()).await.unwrap();
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Database(sqlx::Error::PoolTimedOut))), "{answer:?}");
    }
}

/// More expired holds than are read at once: those of the other wallets are released too, because their charges need the coins.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_expired_holds_of_a_wallet_keep_no_other_from_its_coins(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let mut wallets = Vec::new();
    for _ in 0..8 {
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(10, None)).await;
        wallets.push(wallet);
    }
    let busy = fixture.wallet().await;
    fixture.done(busy, fixture.credit(1_000, None)).await;
    let holds: Vec<LedgerCommand> =
        (0..501).map(|_| fixture.instruction(fixture.hold(1, TimeDelta::minutes(1)).1)).collect();
    fixture.apply(busy, &holds).await.unwrap();
    for wallet in &wallets {
        fixture.done(*wallet, fixture.hold(10, TimeDelta::minutes(2)).1).await;
    }
    fixture.clock.advance(TimeDelta::hours(1));
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    let mut callers = JoinSet::new();
    for (wallet, amount) in wallets.iter().map(|wallet| (*wallet, 10)).chain([(busy, 1)]) {
        let (batcher, instruction) = (batcher.clone(), fixture.instruction(charge(amount)));
        callers.spawn(async move { batcher.submit(wallet, instruction).await });
    }
    for outcome in callers.join_all().await {
        assert!(matches!(outcome, Ok(CommandOutcome::Done(_))), "{outcome:?}");
    }
    assert_eq!(fixture.balance(busy).await, (998, 1), "one is left to the next run");
    for wallet in wallets {
        assert_eq!(fixture.balance(wallet).await, (0, 0));
    }
    assert_eq!(fixture.discrepancies().await, []);
}

/// Wallets that leave their lanes because they are locked elsewhere leave half of the pool's connections to others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn wallets_that_wait_for_their_locks_do_not_empty_the_pool(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    /// Half of the fixture's connections, without the one that locks the wallets.
    const LEFT: usize = 7;
    let fixture = LedgerFixture::open(options, connect).await;
    let mut wallets = Vec::new();
    for _ in 0..36 {
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(10, None)).await;
        wallets.push(wallet);
    }
    let (locked, free) = wallets.split_at(20);
    let mut elsewhere = fixture.pool.begin().await.unwrap();
    for wallet in locked {
        ledger::apply(&mut elsewhere, *wallet, &[], &fixture.clock).await.unwrap();
    }
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()));
    let charge_each = |wallets: &[WalletId]| {
        let mut callers = JoinSet::new();
        for wallet in wallets.iter().copied() {
            let (batcher, instruction) = (batcher.clone(), fixture.instruction(charge(1)));
            callers.spawn(async move { batcher.submit(wallet, instruction).await });
        }
        callers
    };
    let waiting = charge_each(locked);
    // The lanes go on, so they have set the locked wallets apart.
    let mut outcomes = charge_each(free).join_all().await;
    let mut held = Vec::new();
    for _ in 0..LEFT {
        let acquired = tokio::time::timeout(Duration::from_secs(5), fixture.pool.acquire()).await;
        held.push(acquired.expect("the pool is empty").unwrap());
    }
    drop(held);
    elsewhere.rollback().await.unwrap();
    outcomes.extend(waiting.join_all().await);
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(CommandOutcome::Done(_))), "{outcome:?}");
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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
        tokio::time::timeout(Duration::from_mins(2), batcher.submit(wallet, fixture.instruction(charge(1))));
    assert!(matches!(next.await.unwrap(), Ok(CommandOutcome::Done(_))));
    assert_eq!(fixture.balance(wallet).await, (99, 0));
}
