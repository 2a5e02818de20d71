//! Verification of the whole ledger, page by page.

use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::ledger_fixture::LedgerFixture;

/// More than a page of wallets, and more than a page of lots.
const WALLETS: i64 = 1_700;
/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

async fn execute(fixture: &LedgerFixture, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(&fixture.pool).await.unwrap();
}

/// The id of a row with a number.
fn numbered(prefix: &str) -> String {
    format!("CONCAT('{prefix}_', LPAD(n, 26, '0'))")
}

/// Wallets with a lot of 10 coins each, written directly.
async fn fill(fixture: &LedgerFixture) {
    let numbers = format!(
        "(SELECT n FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n
                         FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} e) numbers WHERE n < {WALLETS}) filled"
    );
    let [wallet, lot, transaction, install] = ["wal", "lot", "ltx", "ins"].map(numbered);
    let columns_of_entries = "transaction_id, line, wallet_id, account, lot_id, amount_micro";
    for statement in [
        format!(
            "INSERT INTO wallets (id, install_id, widget_id, available_micro, created_at, updated_at)
             SELECT {wallet}, {install}, '{}', 10, NOW(6), NOW(6) FROM {numbers}",
            fixture.widget
        ),
        format!(
            "INSERT INTO ledger_lots (id, wallet_id, origin, granted_micro, left_micro, created_at)
             SELECT {lot}, {wallet}, 'package', 10, 10, NOW(6) FROM {numbers}"
        ),
        format!(
            "INSERT INTO ledger_transactions (id, wallet_id, kind, created_at)
             SELECT {transaction}, {wallet}, 'credit', NOW(6) FROM {numbers}"
        ),
        format!(
            "INSERT INTO ledger_entries ({columns_of_entries})
             SELECT {transaction}, 0, {wallet}, 'sold', NULL, -10 FROM {numbers}
             UNION ALL SELECT {transaction}, 1, {wallet}, 'available', {lot}, 10 FROM {numbers}"
        ),
    ] {
        execute(fixture, statement).await;
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_wallet_and_lot_is_on_one_page(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    fill(&fixture).await;
    assert_eq!(fixture.discrepancies().await, []);
    for number in [0, 499, 500, 999, 1_000, WALLETS - 1] {
        let (wallet, lot) = (format!("wal_{number:026}"), format!("lot_{number:026}"));
        for (rule, table, column, row, by) in [
            ("wallet available", "wallets", "available_micro", &wallet, 3),
            ("wallet held", "wallets", "held_micro", &wallet, 3),
            ("lot left", "ledger_lots", "left_micro", &lot, -3),
        ] {
            let change =
                |by: i64| format!("UPDATE {table} SET {column} = {column} + {by} WHERE id = '{row}'");
            execute(&fixture, change(by)).await;
            let found = fixture.discrepancies().await;
            let of_rule: Vec<_> = found.iter().filter(|one| one.rule == rule).collect();
            let [one] = of_rule[..] else { panic!("{number}: {found:?}") };
            assert_eq!((&one.row_id, one.stored - one.proven), (row, by), "{rule}");
            assert!(found.iter().all(|one| one.row_id == *row), "{found:?}");
            execute(&fixture, change(-by)).await;
        }
    }
    // A lot without its wallet is compared, too.
    execute(&fixture, "DELETE FROM wallets WHERE id = CONCAT('wal_', REPEAT('0', 26))".to_owned()).await;
    execute(
        &fixture,
        "UPDATE ledger_lots SET left_micro = 9 WHERE id = CONCAT('lot_', REPEAT('0', 26))".to_owned(),
    )
    .await;
    let rules: Vec<&str> = fixture.discrepancies().await.iter().map(|found| found.rule).collect();
    assert_eq!(rules, ["lot left"]);
}
