//! Effects of single commands.

use chrono::Duration;
use flysk_domain::id::{AccountId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, LedgerRefusal};
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, CommandOutcome};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::ledger_fixture::{LedgerFixture, charge, key, lines};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_call_is_held_captured_and_refunded(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, Some(Duration::days(30)))).await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let (hold, place) = fixture.hold(150, Duration::hours(1));
    let placed = fixture.done(wallet, place.clone()).await;
    assert_eq!((placed.available, placed.held, placed.hold), (MicroCoins(50), MicroCoins(150), Some(hold)));
    assert_eq!(fixture.run(wallet, place).await, CommandOutcome::Refused(LedgerRefusal::Taken));

    let paid = fixture.done(wallet, Command::Capture { hold, lines: lines(120) }).await;
    assert_eq!(fixture.balance(wallet).await, (80, 0));
    let mut conn = fixture.pool.acquire().await.unwrap();
    let row: (String, i64) = sqlx::query_as("SELECT state, captured_micro FROM ledger_holds WHERE id = ?")
        .bind(hold.to_string())
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(row, ("captured".to_owned(), 120));
    drop(conn);
    assert_eq!(
        fixture.run(wallet, Command::Release { hold }).await,
        CommandOutcome::Refused(LedgerRefusal::HoldEnded)
    );

    let refund = |amount| Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(amount)) };
    fixture.done(wallet, refund(100)).await;
    assert_eq!(
        fixture.run(wallet, refund(21)).await,
        CommandOutcome::Refused(LedgerRefusal::MoreThanCharged)
    );
    fixture.done(wallet, refund(20)).await;
    assert_eq!(fixture.balance(wallet).await, (200, 0));
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn expired_holds_and_lots_are_released_before_the_next_command(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    fixture.done(wallet, fixture.credit(40, Some(Duration::hours(1)))).await;
    let (hold, place) = fixture.hold(90, Duration::hours(2));
    fixture.done(wallet, place).await;
    assert_eq!(fixture.run(wallet, charge(51)).await, CommandOutcome::Refused(LedgerRefusal::Insufficient));
    fixture.clock.advance(Duration::hours(3));

    let mut conn = fixture.pool.acquire().await.unwrap();
    assert_eq!(ledger::list_wallets_to_sweep(&mut conn, fixture.now(), 10).await.unwrap(), [wallet]);
    drop(conn);
    // The hold took 40 from the lot that has expired since; 100 of both lots are left.
    assert_eq!(fixture.done(wallet, charge(100)).await.available, MicroCoins::ZERO);
    assert_eq!(
        fixture.run(wallet, Command::Capture { hold, lines: lines(1) }).await,
        CommandOutcome::Refused(LedgerRefusal::HoldEnded)
    );
    let mut conn = fixture.pool.acquire().await.unwrap();
    assert_eq!(ledger::list_wallets_to_sweep(&mut conn, fixture.now(), 10).await.unwrap(), []);
    drop(conn);
    assert_eq!(fixture.discrepancies().await, []);
}

/// Commands do not look for expired holds in a wallet that holds nothing. The sweep does, and tells of one that should not be
/// there.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_sweep_fails_for_an_open_hold_of_a_wallet_that_holds_nothing(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let (_, place) = fixture.hold(30, Duration::minutes(1));
    fixture.done(wallet, place).await;
    fixture.clock.advance(Duration::hours(1));
    sqlx::query("UPDATE wallets SET held_micro = 0").execute(&fixture.pool).await.unwrap();
    let swept = fixture.apply(wallet, &[]).await;
    assert!(swept.is_err(), "{swept:?}");
    assert_eq!(fixture.balance(wallet).await, (70, 0));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_key_returns_the_first_result_and_rejects_another_body(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let (wallet, other) = (fixture.wallet().await, fixture.wallet().await);
    fixture.done(wallet, fixture.credit(100, None)).await;
    let keyed = |amount, body: &str| fixture.instruction(charge(amount)).keyed(key("k-1", body));

    // A refusal has no effect and stores no key: the same request is evaluated again.
    let poor = fixture.apply(other, &[keyed(10, "a")]).await.unwrap();
    assert_eq!(poor, [CommandOutcome::Refused(LedgerRefusal::Insufficient)]);
    let first = fixture.apply(wallet, &[keyed(10, "a"), keyed(10, "a"), keyed(20, "b")]).await.unwrap();
    let CommandOutcome::Done(answer) = first[0] else { panic!("{first:?}") };
    assert_eq!(first[1..], [CommandOutcome::Replayed(answer), CommandOutcome::KeyReused]);
    for wallet in [wallet, other] {
        let again = fixture.apply(wallet, &[keyed(10, "a"), keyed(20, "b")]).await.unwrap();
        assert_eq!(again, [CommandOutcome::Replayed(answer), CommandOutcome::KeyReused]);
    }
    assert_eq!(fixture.balance(wallet).await, (90, 0));

    let mut conn = fixture.pool.acquire().await.unwrap();
    let later = fixture.now() + Duration::seconds(1);
    assert_eq!(ledger::prune_idempotency_keys(&mut conn, later, 10).await.unwrap(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_dropped_transaction_has_no_effect(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let instruction = fixture.instruction(charge(60)).keyed(key("k", "a"));
    let mut tx = fixture.pool.begin().await.unwrap();
    ledger::apply(&mut tx, wallet, std::slice::from_ref(&instruction), &fixture.clock).await.unwrap();
    drop(tx);
    assert_eq!(fixture.balance(wallet).await, (100, 0));
    assert!(matches!(fixture.apply(wallet, &[instruction]).await.unwrap()[..], [CommandOutcome::Done(_)]));
    assert_eq!(fixture.balance(wallet).await, (40, 0));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn database_constraints_reject_invalid_rows(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    fixture.done(wallet, charge(60)).await;
    for forbidden in [
        "UPDATE wallets SET available_micro = available_micro - 41",
        "UPDATE wallets SET held_micro = -1",
        "UPDATE ledger_lots SET left_micro = -1",
        "UPDATE ledger_lots SET left_micro = 101",
        "UPDATE ledger_charges SET refunded_micro = 61",
        "UPDATE ledger_entries SET amount_micro = 0",
    ] {
        assert!(sqlx::query(forbidden).execute(&fixture.pool).await.is_err(), "{forbidden}");
    }
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn verification_detects_a_changed_row(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    let paid = fixture.done(wallet, charge(60)).await;
    fixture.done(wallet, Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(5)) }).await;
    let (_, place) = fixture.hold(10, Duration::hours(1));
    fixture.done(wallet, place).await;
    for (tamper, mend, rules) in [
        (
            "UPDATE wallets SET available_micro = available_micro + 1",
            "UPDATE wallets SET available_micro = available_micro - 1",
            &["wallet available"][..],
        ),
        (
            "UPDATE wallets SET held_micro = held_micro - 1",
            "UPDATE wallets SET held_micro = held_micro + 1",
            &["wallet held", "open holds"],
        ),
        ("UPDATE ledger_lots SET left_micro = 0", "UPDATE ledger_lots SET left_micro = 35", &["lot left"]),
        (
            "UPDATE ledger_charges SET charged_micro = 61",
            "UPDATE ledger_charges SET charged_micro = 60",
            &["charged"],
        ),
        (
            "UPDATE ledger_charges SET refunded_micro = 6",
            "UPDATE ledger_charges SET refunded_micro = 5",
            &["refunded"],
        ),
        (
            "UPDATE ledger_entries SET amount_micro = 61 WHERE amount_micro = 60",
            "UPDATE ledger_entries SET amount_micro = 60 WHERE amount_micro = 61",
            &["transaction sums to zero", "charged"],
        ),
        // The sums are those of the wallet's transactions.
        (
            "UPDATE ledger_entries SET wallet_id = 'wal_00000000000000000000000000' WHERE amount_micro = -60",
            "UPDATE ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
             SET e.wallet_id = t.wallet_id",
            &["entry of its transaction"],
        ),
    ] {
        sqlx::query(tamper).execute(&fixture.pool).await.unwrap();
        let found: Vec<&str> = fixture.discrepancies().await.into_iter().map(|found| found.rule).collect();
        assert_eq!(found, rules, "{tamper}");
        sqlx::query(mend).execute(&fixture.pool).await.unwrap();
        assert_eq!(fixture.discrepancies().await, [], "{mend}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn holds_and_charges_of_another_wallet_are_not_found(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let (mine, theirs) = (fixture.wallet().await, fixture.wallet().await);
    for wallet in [mine, theirs] {
        fixture.done(wallet, fixture.credit(100, None)).await;
    }
    let (hold, place) = fixture.hold(10, Duration::hours(1));
    fixture.done(theirs, place.clone()).await;
    let paid = fixture.done(theirs, charge(10)).await;
    assert_eq!(
        fixture.run(mine, Command::Release { hold }).await,
        CommandOutcome::Refused(LedgerRefusal::UnknownHold)
    );
    let refund = Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(1)) };
    assert_eq!(fixture.run(mine, refund).await, CommandOutcome::Refused(LedgerRefusal::UnknownCharge));
    // An id that exists elsewhere fails the whole transaction and overwrites nothing.
    let taken = fixture.apply(mine, &[fixture.instruction(place)]).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })), "{taken:?}");
    let nobody = fixture.apply(WalletId::generate(&fixture.clock), &[]).await;
    assert!(matches!(nobody, Err(StoreError::WrongState { what: "wallet" })), "{nobody:?}");
    assert_eq!((fixture.balance(mine).await, fixture.balance(theirs).await), ((100, 0), (80, 10)));
    assert_eq!(fixture.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_welcome_bonus_is_claimed_once_per_account_and_widget(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    let mut conn = fixture.pool.acquire().await.unwrap();
    let mut claim = async |account| {
        let transaction = TransactionId::generate(&fixture.clock);
        let account = ("amocrm", AccountId(account));
        ledger::claim_welcome_bonus(&mut conn, fixture.widget, account, wallet, transaction, fixture.now())
            .await
            .unwrap()
    };
    assert!(claim(1).await && !claim(1).await && claim(2).await);
}
