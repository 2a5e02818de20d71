//! What is proven once, and read again by the whole verification only.

use chrono::TimeDelta;
use flysk_domain::id::WalletId;
use flysk_services::ledger_proof::forget_proofs;
use flysk_store::Pool;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::Row as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::fixture::{Known, Ledger, charge};

/// Transactions of a range.
const RANGE_SIZE: i64 = 5_000;
/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn random_ledgers_are_proven_step_by_step(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let ledger = Ledger::open(options, connect, 8).await;
    let mut dice = StdRng::seed_from_u64(17);
    let mut wallets = Vec::new();
    for _ in 0..4 {
        wallets.push(ledger.wallet(1_000).await);
    }
    let mut known = Known::default();
    for step in 0..300 {
        known.act(&ledger, &wallets, &mut dice).await;
        ledger.clock.advance(TimeDelta::seconds(dice.random_range(0..400)));
        if dice.random_ratio(1, 10) {
            assert_eq!(ledger.verify_new().await.0, [""; 0], "step {step}");
        }
    }
    ledger.age();
    assert_eq!(ledger.verify_new().await.0, [""; 0]);
    assert_eq!(ledger.verify_all().await, [""; 0]);
    let entries = ledger.count("SELECT COUNT(*) FROM ledger_entries").await;
    let proven = "SELECT CAST(SUM(entries) AS SIGNED) FROM ledger_proofs";
    assert_eq!(ledger.count(proven).await, entries, "every entry is in one range");
    assert!(ledger.count("SELECT COUNT(*) FROM ledger_proofs").await > 5, "the proof grew in steps");
    let other = "SELECT COUNT(*) FROM wallets w LEFT JOIN ledger_proven_sums p ON p.subject_id = w.id
                 WHERE p.available_micro <> w.available_micro OR p.held_micro <> w.held_micro OR p.subject_id IS NULL";
    assert_eq!(ledger.count(other).await, 0, "the proven sums are the balances");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_what_is_new_is_read_again(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let ledger = Ledger::open(options, connect, 4).await;
    let (one, other) = (ledger.wallet(100).await, ledger.wallet(100).await);
    assert_eq!(ledger.verify_new().await, (vec![], 4), "young transactions are checked");
    assert_eq!(ledger.count("SELECT COUNT(*) FROM ledger_proofs").await, 0, "and not proven");
    ledger.age();
    assert_eq!(ledger.verify_new().await, (vec![], 4));
    assert_eq!(ledger.verify_new().await, (vec![], 0));
    for wallet in [one, other, one] {
        ledger.run(wallet, charge(7)).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(ledger.verify_new().await, (vec![], 6));
    }
    ledger.age();
    ledger.run(other, charge(1)).await.unwrap();
    assert_eq!(ledger.verify_new().await, (vec![], 8));
    assert_eq!(ledger.verify_new().await, (vec![], 2));
    assert_eq!(ledger.verify_all().await, [""; 0]);
    forget_proofs(&ledger.pool).await.unwrap();
    assert_eq!(ledger.verify_new().await, (vec![], 12), "the proof begins anew");
}

/// Adds old charges of one coin, written directly.
async fn fill(ledger: &Ledger, wallet: WalletId, charges: i64) {
    let numbers = format!(
        "(SELECT n FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
                         FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} e, {DIGITS} f) numbers WHERE n < {charges})"
    );
    let id = "CONCAT('ltx_', LPAD(n, 26, '0'))";
    let lot = format!("(SELECT id FROM ledger_lots WHERE wallet_id = '{wallet}')");
    ledger
        .execute(&[
            format!(
                "INSERT INTO ledger_transactions (id, wallet_id, kind, created_at)
                 SELECT {id}, '{wallet}', 'charge', NOW(6) FROM {numbers} filled"
            ),
            format!(
                "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro)
                 SELECT {id}, 0, '{wallet}', 'available', {lot}, -1 FROM {numbers} filled
                 UNION ALL SELECT {id}, 1, '{wallet}', 'spent:acme.work', NULL, 1 FROM {numbers} filled"
            ),
            format!(
                "INSERT INTO ledger_charges (transaction_id, wallet_id, charged_micro)
                 SELECT {id}, '{wallet}', 1 FROM {numbers} filled"
            ),
            format!("UPDATE wallets SET available_micro = available_micro - {charges} WHERE id = '{wallet}'"),
            format!(
                "UPDATE ledger_lots SET left_micro = left_micro - {charges} WHERE wallet_id = '{wallet}'"
            ),
        ])
        .await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_verifications_at_once_prove_each_range_once(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let ledger = Ledger::open(options, connect, 8).await;
    let wallet = ledger.wallet(20_000).await;
    fill(&ledger, wallet, 12_000).await;
    ledger.age();
    let (one, other, third) = tokio::join!(ledger.verify_new(), ledger.verify_new(), ledger.verify_new());
    assert_eq!([one.0, other.0, third.0].concat(), [""; 0]);
    assert_eq!(one.1 + other.1 + third.1, 24_002, "each entry is proven by one of them");
    assert_eq!(ledger.count("SELECT COUNT(*) FROM ledger_proofs").await, 12_001 / RANGE_SIZE + 1);
    assert_eq!(ledger.verify_new().await, (vec![], 0));
    assert_eq!(ledger.verify_all().await, [""; 0]);
}

/// Rows that the session has read, counted by the server.
async fn rows_read(pool: &Pool) -> u64 {
    let counters = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(pool).await.unwrap();
    counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_rows_read_do_not_grow_with_what_is_proven(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    // One connection, whose counters are read.
    let ledger = Ledger::open(options, connect, 1).await;
    let wallet = ledger.wallet(20_000).await;
    fill(&ledger, wallet, 12_000).await;
    ledger.age();
    let before = rows_read(&ledger.pool).await;
    assert_eq!(ledger.verify_new().await, (vec![], 24_002));
    let first = rows_read(&ledger.pool).await - before;
    assert!(first > 24_002, "{first} rows were read for the whole ledger");
    ledger.run(wallet, charge(1)).await.unwrap();
    let before = rows_read(&ledger.pool).await;
    assert_eq!(ledger.verify_new().await, (vec![], 2));
    let next = rows_read(&ledger.pool).await - before;
    assert!(next < 500, "{next} rows were read for one transaction");
}
