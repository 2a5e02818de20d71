//! What one command leaves behind.

use chrono::Duration;
use flysk_domain::id::{AccountId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, HoldState, Refusal};
use flysk_store::StoreError;
use flysk_store::ledger::{self, Outcome};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::bank::{Bank, charge, key, lines};

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_call_is_held_captured_and_refunded(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, Some(Duration::days(30)))).await;
    bank.done(wallet, bank.credit(100, None)).await;
    let (hold, place) = bank.hold(150, Duration::hours(1));
    let placed = bank.done(wallet, place.clone()).await;
    assert_eq!((placed.available, placed.held, placed.hold), (MicroCoins(50), MicroCoins(150), Some(hold)));
    assert_eq!(bank.run(wallet, place).await, Outcome::Refused(Refusal::Taken));

    let paid = bank.done(wallet, Command::Capture { hold, lines: lines(120) }).await;
    assert_eq!(bank.balance(wallet).await, (80, 0));
    let mut conn = bank.pool.acquire().await.unwrap();
    let row = ledger::find_hold(&mut conn, hold).await.unwrap().unwrap();
    assert_eq!((row.state, row.captured), (HoldState::Captured, MicroCoins(120)));
    drop(conn);
    assert_eq!(bank.run(wallet, Command::Release { hold }).await, Outcome::Refused(Refusal::HoldEnded));

    let refund = |amount| Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(amount)) };
    bank.done(wallet, refund(100)).await;
    assert_eq!(bank.run(wallet, refund(21)).await, Outcome::Refused(Refusal::MoreThanCharged));
    bank.done(wallet, refund(20)).await;
    assert_eq!(bank.balance(wallet).await, (200, 0));
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_is_over_is_freed_before_the_next_command(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    bank.done(wallet, bank.credit(40, Some(Duration::hours(1)))).await;
    let (hold, place) = bank.hold(90, Duration::hours(2));
    bank.done(wallet, place).await;
    assert_eq!(bank.run(wallet, charge(51)).await, Outcome::Refused(Refusal::Insufficient));
    bank.clock.advance(Duration::hours(3));

    let mut conn = bank.pool.acquire().await.unwrap();
    assert_eq!(ledger::list_wallets_to_sweep(&mut conn, bank.now(), 10).await.unwrap(), [wallet]);
    drop(conn);
    // The hold took 40 from the lot that has expired since: 100 are left of both.
    assert_eq!(bank.done(wallet, charge(100)).await.available, MicroCoins::ZERO);
    assert_eq!(
        bank.run(wallet, Command::Capture { hold, lines: lines(1) }).await,
        Outcome::Refused(Refusal::HoldEnded)
    );
    let mut conn = bank.pool.acquire().await.unwrap();
    assert_eq!(ledger::list_wallets_to_sweep(&mut conn, bank.now(), 10).await.unwrap(), []);
    drop(conn);
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_key_gives_the_first_answer_and_refuses_another_body(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let (wallet, other) = (bank.wallet().await, bank.wallet().await);
    bank.done(wallet, bank.credit(100, None)).await;
    let keyed = |amount, body: &str| bank.instruction(charge(amount)).keyed(key("k-1", body));

    // A refusal has no effect and takes no key: the same request is decided anew.
    let poor = bank.apply(other, &[keyed(10, "a")]).await.unwrap();
    assert_eq!(poor, [Outcome::Refused(Refusal::Insufficient)]);
    let first = bank.apply(wallet, &[keyed(10, "a"), keyed(10, "a"), keyed(20, "b")]).await.unwrap();
    let Outcome::Done(answer) = first[0] else { panic!("{first:?}") };
    assert_eq!(first[1..], [Outcome::Replayed(answer), Outcome::KeyReused]);
    for wallet in [wallet, other] {
        let again = bank.apply(wallet, &[keyed(10, "a"), keyed(20, "b")]).await.unwrap();
        assert_eq!(again, [Outcome::Replayed(answer), Outcome::KeyReused]);
    }
    assert_eq!(bank.balance(wallet).await, (90, 0));

    let mut conn = bank.pool.acquire().await.unwrap();
    let later = bank.now() + Duration::seconds(1);
    assert_eq!(ledger::prune_idempotency_keys(&mut conn, later, 10).await.unwrap(), 1);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_dropped_transaction_leaves_nothing(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    let instruction = bank.instruction(charge(60)).keyed(key("k", "a"));
    let mut tx = bank.pool.begin().await.unwrap();
    ledger::apply(&mut tx, wallet, std::slice::from_ref(&instruction), &bank.clock).await.unwrap();
    drop(tx);
    assert_eq!(bank.balance(wallet).await, (100, 0));
    assert!(matches!(bank.apply(wallet, &[instruction]).await.unwrap()[..], [Outcome::Done(_)]));
    assert_eq!(bank.balance(wallet).await, (40, 0));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_database_itself_refuses_what_must_never_be(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    bank.done(wallet, charge(60)).await;
    for forbidden in [
        "UPDATE wallets SET available_micro = available_micro - 41",
        "UPDATE wallets SET held_micro = -1",
        "UPDATE ledger_lots SET left_micro = -1",
        "UPDATE ledger_lots SET left_micro = 101",
        "UPDATE ledger_charges SET refunded_micro = 61",
        "UPDATE ledger_entries SET amount_micro = 0",
    ] {
        assert!(sqlx::query(forbidden).execute(&bank.pool).await.is_err(), "{forbidden}");
    }
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_changed_row_is_found_by_the_proof(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    let paid = bank.done(wallet, charge(60)).await;
    bank.done(wallet, Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(5)) }).await;
    let (_, place) = bank.hold(10, Duration::hours(1));
    bank.done(wallet, place).await;
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
    ] {
        sqlx::query(tamper).execute(&bank.pool).await.unwrap();
        let found: Vec<&str> = bank.discrepancies().await.into_iter().map(|found| found.rule).collect();
        assert_eq!(found, rules, "{tamper}");
        sqlx::query(mend).execute(&bank.pool).await.unwrap();
        assert_eq!(bank.discrepancies().await, [], "{mend}");
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_neighbours_hold_and_charge_are_not_there(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let (mine, theirs) = (bank.wallet().await, bank.wallet().await);
    for wallet in [mine, theirs] {
        bank.done(wallet, bank.credit(100, None)).await;
    }
    let (hold, place) = bank.hold(10, Duration::hours(1));
    bank.done(theirs, place.clone()).await;
    let paid = bank.done(theirs, charge(10)).await;
    assert_eq!(bank.run(mine, Command::Release { hold }).await, Outcome::Refused(Refusal::UnknownHold));
    let refund = Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(1)) };
    assert_eq!(bank.run(mine, refund).await, Outcome::Refused(Refusal::UnknownCharge));
    // An id that is taken elsewhere fails the whole transaction and overwrites nothing.
    let taken = bank.apply(mine, &[bank.instruction(place)]).await;
    assert!(matches!(taken, Err(StoreError::Taken { .. })), "{taken:?}");
    let nobody = bank.apply(WalletId::generate(&bank.clock), &[]).await;
    assert!(matches!(nobody, Err(StoreError::Stale { what: "wallet" })), "{nobody:?}");
    assert_eq!((bank.balance(mine).await, bank.balance(theirs).await), ((100, 0), (80, 10)));
    assert_eq!(bank.discrepancies().await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_welcome_bonus_is_claimed_once_per_account_and_widget(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    let mut conn = bank.pool.acquire().await.unwrap();
    let mut claim = async |account| {
        let transaction = TransactionId::generate(&bank.clock);
        let account = ("amocrm", AccountId(account));
        ledger::claim_welcome_bonus(&mut conn, bank.widget, account, wallet, transaction, bank.now())
            .await
            .unwrap()
    };
    assert!(claim(1).await && !claim(1).await && claim(2).await);
}
