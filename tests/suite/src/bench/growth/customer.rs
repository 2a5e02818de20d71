//! A long history of the measured customer in the full environment, and the state of a database at rest.

use anyhow::Context as _;
use flysk_store::Pool;
use sqlx::AssertSqlSafe;

use super::waiting::numbers;
use crate::environment::{ACCOUNT, LEAD};

/// Rows of the filled tables per call and per charge of the measured customer.
const ROWS_PER_OWN_ROW: u32 = 500;
/// Rows of the filled tables per waiting job.
const ROWS_PER_WAITING_JOB: u32 = 10;
/// Rows of the filled tables per old idempotency key.
const ROWS_PER_KEY: u32 = 10;
/// Rows per statement.
const BATCH_ROWS: u32 = 100_000;

/// Numbers of the rows that are added to those of the generator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    /// Calls and charges of the measured customer, each.
    pub(super) own: u32,
    /// Waiting jobs of one tenant.
    pub(super) waiting: u32,
    /// Idempotency keys that are out of their time.
    pub(super) keys: u32,
}

/// Adds the customer's history and old idempotency keys, and ends what the generator left unfinished.
pub(super) async fn extend(pool: &Pool, rows: u32) -> anyhow::Result<Extra> {
    let extra = Extra {
        own: (rows / ROWS_PER_OWN_ROW).max(1_000),
        waiting: (rows / ROWS_PER_WAITING_JOB).max(10_000),
        keys: (rows / ROWS_PER_KEY).max(1_000),
    };
    let (install, widget): (String, String) =
        sqlx::query_as("SELECT id, widget_id FROM installs WHERE account_id = ?")
            .bind(ACCOUNT)
            .fetch_one(pool)
            .await?;
    let wallet: String = sqlx::query_scalar("SELECT id FROM wallets WHERE install_id = ?")
        .bind(&install)
        .fetch_one(pool)
        .await?;
    let lot: String =
        sqlx::query_scalar("SELECT id FROM ledger_lots WHERE wallet_id = ? ORDER BY left_micro DESC LIMIT 1")
            .bind(&wallet)
            .fetch_one(pool)
            .await?;
    let mut statements = own_rows(extra.own, &install, &wallet, &lot);
    for first in (0..extra.keys).step_by(BATCH_ROWS as usize) {
        let count = BATCH_ROWS.min(extra.keys - first);
        statements.push(format!(
            "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at)
             SELECT '{widget}', CONCAT('old-', {first} + n), REPEAT('0', 64), '{{}}', NOW(6) - INTERVAL 40 DAY
             FROM {} filled",
            numbers(count)
        ));
    }
    statements.extend(at_rest());
    for statement in statements {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(pool).await;
        done.with_context(|| statement)?;
    }
    Ok(extra)
}

/// Statements that add calls in other cards, and charges of one micro-Flycoin.
fn own_rows(count: u32, install: &str, wallet: &str, lot: &str) -> Vec<String> {
    let (numbers, id) = (numbers(count), "CONCAT('ltx_', LPAD(n, 26, '0'))");
    let at = "NOW(6) - INTERVAL 30 DAY + INTERVAL n SECOND";
    vec![
        format!(
            "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state, duration_ms,
                                         left_channel, tags, correlation_id, created_at, updated_at, finished_at)
             SELECT CONCAT('tr_', LPAD(1000 + n, 26, '0')), {ACCOUNT}, '{install}', 'leads', {LEAD} + 1 + n DIV 3, 700000000 + n,
                    'done', 60000, 'operator', '[]', 'bench', {at}, {at}, {at} FROM {numbers} filled"
        ),
        format!(
            "INSERT INTO ledger_transactions (id, wallet_id, kind, created_at)
             SELECT {id}, '{wallet}', 'charge', {at} FROM {numbers} filled"
        ),
        format!(
            "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro)
             SELECT {id}, 0, '{wallet}', 'available', '{lot}', -1 FROM {numbers} filled
             UNION ALL SELECT {id}, 1, '{wallet}', 'spent:flysense.recognition', NULL, 1 FROM {numbers} filled"
        ),
        format!(
            "INSERT INTO ledger_charges (transaction_id, wallet_id, charged_micro)
             SELECT {id}, '{wallet}', 1 FROM {numbers} filled"
        ),
        format!("UPDATE ledger_lots SET left_micro = left_micro - {count} WHERE id = '{lot}'"),
        format!("UPDATE wallets SET available_micro = available_micro - {count} WHERE id = '{wallet}'"),
    ]
}

/// Statements after which nothing is in progress: a tick that finds work does the work. The hash chain of the audit log goes on
/// behind the rows that are sealed already, because a number in it is unique.
fn at_rest() -> [String; 2] {
    [
        "UPDATE transcriptions SET state = 'done' WHERE state = 'recognizing'".to_owned(),
        "UPDATE audit_log a JOIN (
             SELECT id, ROW_NUMBER() OVER (ORDER BY id) + (SELECT COALESCE(MAX(chain_number), 0) FROM audit_log) AS place
             FROM audit_log WHERE chain_number IS NULL
         ) o ON o.id = a.id
         SET a.chain_number = o.place, a.chain_hash = REPEAT('0', 64)"
            .to_owned(),
    ]
}
