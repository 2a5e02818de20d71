//! Statements and commands of the groups of one lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Duration;
use flysk_domain::id::{HoldId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_store::StoreResult;
use flysk_store::platform::ledger::{CommandOutcome, LedgerCommand, WalletBatcher};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::task::JoinSet;

use crate::ledger_fixture::{LedgerFixture, charge, key, lines};
use crate::wallet_lanes::{Stepping, filled, posted, submit_all};

/// Wallets of a group: numbers at which its statements get another length, or become two.
const GROUP_SIZES: [usize; 10] = [1, 2, 7, 9, 16, 17, 31, 32, 33, 64];

/// An amount, and the wallet that pays it.
type Paid = (i64, WalletId);

/// A batcher whose transactions each have their own time, and its clock.
fn stepping_batcher(fixture: &LedgerFixture, lanes: usize) -> (WalletBatcher, Arc<Stepping>) {
    let clock = Arc::new(Stepping(AtomicI64::new(fixture.now().timestamp_millis())));
    let shared = Arc::clone(&clock);
    (WalletBatcher::with_lanes(fixture.pool.clone(), shared, lanes), clock)
}

/// Number of transactions of the database that wrote transactions of a kind.
async fn count_groups(fixture: &LedgerFixture, kind: &str) -> i64 {
    sqlx::query_scalar("SELECT COUNT(DISTINCT created_at) FROM ledger_transactions WHERE kind = ?")
        .bind(kind)
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

/// Subtracts what each wallet paid, and compares.
fn assert_paid(outcomes: &[StoreResult<CommandOutcome>], paid: &[Paid], left: &mut [i64]) {
    assert_eq!(outcomes.len(), paid.len());
    for ((outcome, (amount, _)), left) in outcomes.iter().zip(paid).zip(left) {
        *left -= amount;
        let posted = posted(outcome);
        assert_eq!((posted.available, posted.held), (MicroCoins(*left), MicroCoins::ZERO), "{}", paid.len());
    }
}

/// Every row has an amount of its own, so that one that got the values of another row is found.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn groups_of_every_size_write_each_row_once(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 64, 100_000).await;
    let (batcher, _clock) = stepping_batcher(&fixture, 1);
    let mut left = vec![100_000_i64; wallets.len()];
    for count in GROUP_SIZES {
        let paid: Vec<Paid> = (1..).zip(wallets[..count].iter().copied()).collect();
        let keyed = |(amount, wallet): &Paid| {
            let named = key(format!("{count}-{amount}"), "a");
            (*wallet, fixture.instruction(charge(*amount)).keyed(named))
        };
        let charged = submit_all(&batcher, paid.iter().map(keyed).collect()).await;
        assert_paid(&charged, &paid, &mut left);
        let again = submit_all(&batcher, paid.iter().map(keyed).collect()).await;
        let are_replayed = again.iter().all(|outcome| matches!(outcome, Ok(CommandOutcome::Replayed(_))));
        assert!(are_replayed, "{again:?}");

        let holds: Vec<(HoldId, Command)> =
            paid.iter().map(|(amount, _)| fixture.hold(2 * amount, Duration::hours(1))).collect();
        let place = |((_, wallet), (_, place)): (&Paid, &(HoldId, Command))| {
            (*wallet, fixture.instruction(place.clone()))
        };
        for placed in submit_all(&batcher, paid.iter().zip(&holds).map(place).collect()).await {
            assert!(posted(&placed).held.is_positive());
        }
        let capture = |((amount, wallet), (hold, _)): (&Paid, &(HoldId, Command))| {
            (*wallet, fixture.instruction(Command::Capture { hold: *hold, lines: lines(*amount) }))
        };
        let captured = submit_all(&batcher, paid.iter().zip(&holds).map(capture).collect()).await;
        assert_paid(&captured, &paid, &mut left);
    }
    for (wallet, left) in wallets.iter().zip(left) {
        assert_eq!(fixture.balance(*wallet).await, (left, 0));
    }
    for kind in ["charge", "hold", "capture"] {
        let groups = usize::try_from(count_groups(&fixture, kind).await);
        assert_eq!(groups, Ok(GROUP_SIZES.len()), "one transaction for each group: {kind}");
    }
    let wrong: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM ledger_holds h
         JOIN ledger_transactions t ON t.hold_id = h.id AND t.kind = 'capture'
         JOIN ledger_charges c ON c.transaction_id = t.id
         WHERE h.state <> 'captured' OR h.captured_micro <> c.charged_micro
             OR h.amount_micro <> 2 * c.charged_micro",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn lanes_share_wallets_and_leave_a_wallet_to_one_of_them(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 64, 100).await;
    let mut groups = 0;
    for (wallets, commands_each, lanes, expected) in [
        (&wallets[..], 1, 1, 1),
        (&wallets[..], 1, 2, 2),
        (&wallets[..1], 64, 2, 1),
        (&wallets[..8], 8, 2, 1),
    ] {
        let (batcher, _clock) = stepping_batcher(&fixture, lanes);
        let commands = wallets.iter().flat_map(|wallet| std::iter::repeat_n(*wallet, commands_each));
        let commands = commands.map(|wallet| (wallet, fixture.instruction(charge(1))));
        for outcome in submit_all(&batcher, commands.collect()).await {
            posted(&outcome);
        }
        fixture.clock.advance(Duration::minutes(1));
        groups += expected;
        assert_eq!(count_groups(&fixture, "charge").await, groups, "{commands_each}, {lanes}");
    }
    assert_eq!(fixture.discrepancies().await, []);
}

/// Commands of one wallet may change more rows than a statement takes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wallet_changes_any_number_of_lots_and_holds(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    for count in [1, 7, 9, 33, 64, 65, 130] {
        let wallet = fixture.wallet().await;
        let credits = (1..=count).map(|amount| fixture.instruction(fixture.credit(amount, None)));
        let holds: Vec<(HoldId, Command)> =
            (1..=count).map(|amount| fixture.hold(amount, Duration::hours(1))).collect();
        let place = holds.iter().map(|(_, place)| fixture.instruction(place.clone()));
        let capture = (1..=count).zip(&holds).map(|(amount, (hold, _))| {
            fixture.instruction(Command::Capture { hold: *hold, lines: lines(amount) })
        });
        let steps: [Vec<LedgerCommand>; 3] = [credits.collect(), place.collect(), capture.collect()];
        for step in steps {
            let outcomes = fixture.apply(wallet, &step).await.unwrap();
            let are_done = outcomes.iter().all(|outcome| matches!(outcome, CommandOutcome::Done(_)));
            assert!(are_done, "{count}: {outcomes:?}");
        }
        assert_eq!(fixture.balance(wallet).await, (0, 0), "{count}");
    }
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_expired_hold_is_released_beside_wallets_that_hold_nothing(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 6, 10).await;
    let (hold, place) = fixture.hold(10, Duration::minutes(1));
    fixture.done(wallets[2], place).await;
    fixture.clock.advance(Duration::hours(1));
    let (batcher, _clock) = stepping_batcher(&fixture, 1);
    let charges = wallets.iter().map(|wallet| (*wallet, fixture.instruction(charge(10))));
    for outcome in submit_all(&batcher, charges.collect()).await {
        assert_eq!(posted(&outcome).available, MicroCoins::ZERO, "{hold}");
    }
    assert_eq!(count_groups(&fixture, "charge").await, 1);
    assert_eq!(fixture.discrepancies().await, []);
}

/// The first group waits for a key that another transaction has. The next one takes what came meanwhile, and what the callers of
/// the first one submit as soon as they are answered.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn callers_that_were_just_answered_share_the_next_group(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 8, 10).await;
    let (first, later) = wallets.split_at(4);
    let (batcher, clock) = stepping_batcher(&fixture, 1);
    let mut rival = fixture.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at)
         VALUES (?, 'k-0', REPEAT('0', 64), '{}', ?)",
    )
    .bind(fixture.widget.to_string())
    .bind(fixture.now())
    .execute(&mut *rival)
    .await
    .unwrap();

    let began = clock.0.load(Ordering::Relaxed);
    let mut callers = JoinSet::new();
    for (number, wallet) in first.iter().copied().enumerate() {
        let keyed = fixture.instruction(charge(1)).keyed(key(format!("k-{number}"), "a"));
        let commands = [keyed, fixture.instruction(charge(1))];
        let batcher = batcher.clone();
        callers.spawn(async move {
            for command in commands {
                posted(&batcher.submit(wallet, command).await);
            }
        });
    }
    // Until the first group has locked its wallets.
    while clock.0.load(Ordering::Relaxed) == began {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    for wallet in later.iter().copied() {
        let (batcher, command) = (batcher.clone(), fixture.instruction(charge(1)));
        callers.spawn(async move {
            posted(&batcher.submit(wallet, command).await);
        });
    }
    rival.rollback().await.unwrap();
    callers.join_all().await;
    assert_eq!(count_groups(&fixture, "charge").await, 2);
    for (number, wallet) in wallets.into_iter().enumerate() {
        assert_eq!(fixture.balance(wallet).await.0, if number < 4 { 8 } else { 9 });
    }
    assert_eq!(fixture.discrepancies().await, []);
}
