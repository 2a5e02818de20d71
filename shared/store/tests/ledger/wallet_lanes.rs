//! Transactions of the wallet batcher that carry the commands of many wallets.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::id::{TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, LedgerRefusal};
use flysk_domain::{Clock, Randomness, SystemRandomness};
use flysk_store::StoreResult;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletBatcher};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::ledger_fixture::{LedgerFixture, charge, key, lines};

/// Maximum number of lanes: of transactions that a batcher needs for commands that wait together.
const MAX_LANES: i64 = 4;

/// Submits commands in their order, before the first of them is executed.
pub(crate) async fn submit_all(
    batcher: &WalletBatcher,
    commands: Vec<(WalletId, LedgerCommand)>,
) -> Vec<StoreResult<CommandOutcome>> {
    let mut waiting: Vec<Pin<Box<dyn Future<Output = StoreResult<CommandOutcome>> + '_>>> = Vec::new();
    for (wallet, command) in commands {
        waiting.push(Box::pin(batcher.submit(wallet, command)));
    }
    let mut outcomes: Vec<Option<StoreResult<CommandOutcome>>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (one, outcome) in waiting.iter_mut().zip(&mut outcomes) {
            if outcome.is_none()
                && let Poll::Ready(ended) = one.as_mut().poll(context)
            {
                *outcome = Some(ended);
            }
        }
        if outcomes.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

fn batcher(fixture: &LedgerFixture) -> WalletBatcher {
    WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()))
}

/// A clock that goes on whenever it is read, so that each transaction of the database has its own time.
#[derive(Debug)]
pub(crate) struct Stepping(pub(crate) AtomicI64);

impl Randomness for Stepping {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for Stepping {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

pub(crate) async fn filled(fixture: &LedgerFixture, count: usize, coins: i64) -> Vec<WalletId> {
    let mut wallets = Vec::new();
    for _ in 0..count {
        let wallet = fixture.wallet().await;
        fixture.done(wallet, fixture.credit(coins, None)).await;
        wallets.push(wallet);
    }
    wallets
}

pub(crate) fn posted(outcome: &StoreResult<CommandOutcome>) -> ledger::Posted {
    match outcome {
        Ok(CommandOutcome::Done(posted)) => *posted,
        other => panic!("{other:?}"),
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn accepted_and_refused_commands_of_many_wallets_share_a_transaction(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 20, 10).await;
    let poor = fixture.wallet().await;
    let clock = Stepping(AtomicI64::new(fixture.now().timestamp_millis()));
    let batcher = WalletBatcher::new(fixture.pool.clone(), Arc::new(clock));
    let mut commands = Vec::new();
    for _ in 0..3 {
        commands.extend(wallets.iter().map(|wallet| (*wallet, fixture.instruction(charge(4)))));
        commands.push((poor, fixture.instruction(charge(1))));
    }
    let outcomes = submit_all(&batcher, commands).await;
    let refused = CommandOutcome::Refused(LedgerRefusal::Insufficient);
    for (number, outcome) in outcomes.iter().enumerate() {
        let (round, place) = (number / 21, number % 21);
        if round == 2 || place == 20 {
            assert_eq!(*outcome.as_ref().unwrap(), refused, "{number}");
        } else {
            assert_eq!(posted(outcome).available, MicroCoins([6, 2][round]), "{number}");
        }
    }
    for wallet in wallets {
        assert_eq!(fixture.balance(wallet).await, (2, 0));
    }
    let times: i64 = sqlx::query_scalar(
        "SELECT COUNT(DISTINCT created_at) FROM ledger_transactions WHERE kind = 'charge'",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert!((1..=MAX_LANES).contains(&times), "40 charges were written by {times} transactions");
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_kind_of_command_finds_what_the_commands_before_it_did(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 6, 100).await;
    let mut commands = Vec::new();
    for wallet in &wallets {
        let paid = TransactionId::generate(&fixture.clock);
        let ((hold, place), (lost, place_other)) =
            (fixture.hold(50, Duration::hours(1)), fixture.hold(20, Duration::hours(1)));
        let refund = |amount| Command::Refund { charge: paid, amount: Some(MicroCoins(amount)) };
        for command in [place, place_other, fixture.credit(5, Some(Duration::days(1)))] {
            commands.push((*wallet, fixture.instruction(command)));
        }
        commands.push((*wallet, LedgerCommand::new(paid, Command::Capture { hold, lines: lines(60) })));
        for command in [refund(40), refund(21), Command::Release { hold: lost }, Command::Release { hold }] {
            commands.push((*wallet, fixture.instruction(command)));
        }
    }
    let outcomes = submit_all(&batcher(&fixture), commands).await;
    for outcomes in outcomes.chunks(8) {
        let after: Vec<(i64, i64)> = [0, 1, 2, 3, 4, 6]
            .map(|place: usize| posted(&outcomes[place]))
            .map(|posted| (posted.available.0, posted.held.0))
            .to_vec();
        assert_eq!(after, [(50, 50), (30, 70), (35, 70), (25, 20), (65, 20), (85, 0)]);
        let refused = [5, 7].map(|place: usize| outcomes[place].as_ref().unwrap().clone());
        assert_eq!(
            refused,
            [LedgerRefusal::MoreThanCharged, LedgerRefusal::HoldEnded].map(CommandOutcome::Refused)
        );
    }
    for wallet in wallets {
        assert_eq!(fixture.balance(wallet).await, (85, 0));
    }
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn one_key_acts_once_in_a_transaction_of_many_wallets(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 8, 100).await;
    let keyed = |wallet: &WalletId, amount, body: &str| {
        (*wallet, fixture.instruction(charge(amount)).keyed(key("k", body)))
    };
    // The same request twice for each wallet, and another one under its key.
    let mut commands: Vec<(WalletId, LedgerCommand)> = Vec::new();
    for (amount, body) in [(3, "a"), (3, "a"), (4, "b")] {
        commands.extend(wallets.iter().map(|wallet| keyed(wallet, amount, body)));
    }
    let outcomes = submit_all(&batcher(&fixture), commands).await;
    let mut answers = BTreeMap::new();
    for outcome in outcomes.into_iter().map(Result::unwrap) {
        let (kind, transaction) = match outcome {
            CommandOutcome::Done(answer) => ("done", Some(answer.transaction)),
            CommandOutcome::Replayed(answer) => ("replayed", Some(answer.transaction)),
            CommandOutcome::KeyReused => ("reused", None),
            CommandOutcome::Refused(refusal) => panic!("{refusal}"),
        };
        *answers.entry((kind, transaction)).or_insert(0) += 1;
    }
    let counts: Vec<i32> = answers.values().copied().collect();
    assert_eq!(counts, [1, 15, 8], "{answers:?}");
    assert_eq!(fixture.discrepancies().await, []);
    let spent: i64 = sqlx::query_scalar("SELECT CAST(SUM(charged_micro) AS SIGNED) FROM ledger_charges")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(spent, 3);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_wallet_delays_no_other_and_keeps_the_order_of_its_commands(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 9, 100).await;
    let (locked, others) = wallets.split_first().unwrap();
    let batcher = batcher(&fixture);
    let mut elsewhere = fixture.pool.begin().await.unwrap();
    ledger::apply(&mut elsewhere, *locked, &[fixture.instruction(charge(10))], &fixture.clock).await.unwrap();

    let charges = |amounts: std::ops::RangeInclusive<i64>| {
        let commands = amounts.map(|amount| (*locked, fixture.instruction(charge(amount))));
        commands.collect::<Vec<_>>()
    };
    let early = {
        let (batcher, commands) = (batcher.clone(), charges(1..=4));
        tokio::spawn(async move { submit_all_owned(batcher, commands).await })
    };
    // The lanes go on, several times: also with that of the locked wallet.
    for round in 1..=3 {
        let commands = others.iter().map(|wallet| (*wallet, fixture.instruction(charge(1)))).collect();
        for outcome in submit_all(&batcher, commands).await {
            assert_eq!(posted(&outcome).available, MicroCoins(100 - round));
        }
    }
    let late = {
        let (batcher, commands) = (batcher.clone(), charges(5..=6));
        tokio::spawn(async move { submit_all_owned(batcher, commands).await })
    };
    tokio::task::yield_now().await;
    assert!(!early.is_finished() && !late.is_finished());
    elsewhere.commit().await.unwrap();

    let mut available = 90;
    for (amount, outcome) in (1..).zip([early.await.unwrap(), late.await.unwrap()].concat()) {
        available -= amount;
        assert_eq!(outcome.available, MicroCoins(available), "charge {amount}");
    }
    assert_eq!(available, 69);
    assert_eq!(fixture.balance(*locked).await, (69, 0));
    assert_eq!(fixture.discrepancies().await, []);
}

async fn submit_all_owned(
    batcher: WalletBatcher,
    commands: Vec<(WalletId, LedgerCommand)>,
) -> Vec<ledger::Posted> {
    let mut waiting = tokio::task::JoinSet::new();
    let mut places = BTreeMap::new();
    for (place, (wallet, command)) in commands.into_iter().enumerate() {
        let batcher = batcher.clone();
        places.insert(place, None);
        waiting.spawn(async move { (place, posted(&batcher.submit(wallet, command).await)) });
    }
    while let Some(ended) = waiting.join_next().await {
        let (place, posted) = ended.unwrap();
        places.insert(place, Some(posted));
    }
    places.into_values().flatten().collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn commands_of_a_wallet_are_executed_in_the_order_of_their_callers(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    const ROUNDS: i64 = 60;
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 5, 10_000).await;
    // More than one group: a group takes at most 128 commands.
    let commands = (1..=ROUNDS)
        .flat_map(|round| wallets.iter().map(move |wallet| (*wallet, round)))
        .map(|(wallet, round)| (wallet, fixture.instruction(charge(round))));
    let outcomes = submit_all(&batcher(&fixture), commands.collect()).await;
    for (number, outcome) in (0..).zip(&outcomes) {
        let round = number / 5 + 1;
        assert_eq!(posted(outcome).available, MicroCoins(10_000 - round * (round + 1) / 2), "{number}");
    }
    assert_eq!(outcomes.len(), 300);
    assert_eq!(fixture.discrepancies().await, []);
}

/// Another transaction has a key of the group and wants a wallet of it. It is the heavier one, so the group is rolled back.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_group_that_loses_a_deadlock_is_repeated_as_a_whole(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 40, 100).await;
    let mut rival = fixture.pool.begin().await.unwrap();
    for number in 0..300 {
        let text = if number == 0 { "common".to_owned() } else { format!("rival-{number}") };
        sqlx::query(
            "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at)
             VALUES (?, ?, REPEAT('0', 64), '{}', ?)",
        )
        .bind(fixture.widget.to_string())
        .bind(text)
        .bind(fixture.now())
        .execute(&mut *rival)
        .await
        .unwrap();
    }
    let batcher = batcher(&fixture);
    let commands = wallets.iter().map(|wallet| {
        // Two lanes have the key.
        (*wallet, fixture.instruction(charge(7)).keyed(key("common", "a")))
    });
    let commands: Vec<(WalletId, LedgerCommand)> = commands.collect();
    let group = {
        let batcher = batcher.clone();
        tokio::spawn(async move {
            let mut waiting = tokio::task::JoinSet::new();
            for (wallet, command) in commands {
                let batcher = batcher.clone();
                waiting.spawn(async move { batcher.submit(wallet, command).await.unwrap() });
            }
            waiting.join_all().await
        })
    };
    // Until the group holds the wallet; it then waits for the key.
    loop {
        let free = sqlx::query("SELECT id FROM wallets WHERE id = ? FOR UPDATE SKIP LOCKED")
            .bind(wallets[0].to_string())
            .fetch_optional(&fixture.pool)
            .await
            .unwrap();
        if free.is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    // The rival may itself be chosen; then the group just goes on.
    let wanted = sqlx::query("SELECT id FROM wallets WHERE id = ? FOR UPDATE").bind(wallets[0].to_string());
    let _got_or_lost = wanted.execute(&mut *rival).await;
    rival.rollback().await.unwrap();

    let outcomes = group.await.unwrap();
    let done = outcomes.iter().filter(|outcome| matches!(outcome, CommandOutcome::Done(_))).count();
    let again = outcomes.iter().filter(|outcome| matches!(outcome, CommandOutcome::Replayed(_))).count();
    assert_eq!((done, again), (1, 39), "{outcomes:?}");
    let spent: i64 = sqlx::query_scalar("SELECT CAST(SUM(charged_micro) AS SIGNED) FROM ledger_charges")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(spent, 7);
    assert_eq!(fixture.discrepancies().await, []);
}

/// A wallet whose rows contradict each other fails its own commands and no others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_broken_or_unknown_wallet_fails_alone(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 6, 100).await;
    let (hold, place) = fixture.hold(30, Duration::minutes(1));
    fixture.done(wallets[0], place).await;
    fixture.clock.advance(Duration::hours(1));
    // The expired hold cannot be released: less is held, and its lot has no room.
    sqlx::query("UPDATE wallets SET held_micro = 1 WHERE id = ?")
        .bind(wallets[0].to_string())
        .execute(&fixture.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE ledger_lots SET left_micro = granted_micro WHERE wallet_id = ?")
        .bind(wallets[0].to_string())
        .execute(&fixture.pool)
        .await
        .unwrap();
    let mut commands: Vec<(WalletId, LedgerCommand)> =
        wallets.iter().map(|wallet| (*wallet, fixture.instruction(charge(1)))).collect();
    commands.push((WalletId::generate(&fixture.clock), fixture.instruction(charge(1))));
    let outcomes = submit_all(&batcher(&fixture), commands).await;
    assert!(outcomes[0].is_err() && outcomes[6].is_err(), "{hold}: {outcomes:?}");
    for outcome in &outcomes[1..6] {
        assert_eq!(posted(outcome).available, MicroCoins(99));
    }
}
