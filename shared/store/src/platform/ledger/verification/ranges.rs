//! Ranges of transactions: their rows, and the rules that concern no more than them.

use chrono::{DateTime, Utc};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::proof::{StoredEntry, StoredTransaction};

use super::Verification;
use crate::{Conn, StoreResult};

/// Transactions of a range.
const RANGE_SIZE: u32 = 5_000;
/// Sorts after every id.
pub(super) const AFTER_ALL: &str = "~";

/// An entry has a transaction, of the same wallet.
pub(super) const FOREIGN_ENTRY: &str = "entry of its transaction";
/// The charged amount is the sum of the entries.
pub(super) const CHARGED: &str = "charged";
/// The refunded amount is the sum of the refunds' entries.
pub(super) const REFUNDED: &str = "refunded";

/// Rules of a range. Each statement returns the id, the value computed from the entries and the stored value.
///
/// With statistics from before a wallet has grown, MySQL looks for the transaction of an entry among all of its wallet.
const RANGE_RULES: [(&str, &str); 2] = [
    (
        FOREIGN_ENTRY,
        "SELECT e.transaction_id AS row_id, CAST(0 AS SIGNED) AS proven,
            CAST(SUM(e.amount_micro) AS SIGNED) AS balance
     FROM ledger_entries e
         LEFT JOIN ledger_transactions t FORCE INDEX (PRIMARY)
             ON t.id = e.transaction_id AND t.wallet_id = e.wallet_id
     WHERE e.transaction_id > ? AND e.transaction_id <= ? AND t.id IS NULL
     GROUP BY e.transaction_id ORDER BY row_id LIMIT ?",
    ),
    (
        CHARGED,
        "SELECT c.transaction_id AS row_id, CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven,
            c.charged_micro AS balance
     FROM ledger_charges c LEFT JOIN ledger_entries e
         ON e.transaction_id = c.transaction_id AND e.account LIKE 'spent:%'
     WHERE c.transaction_id > ? AND c.transaction_id <= ?
     GROUP BY c.transaction_id, c.charged_micro HAVING COALESCE(SUM(e.amount_micro), 0) <> c.charged_micro
     ORDER BY row_id LIMIT ?",
    ),
];

/// Transactions with ids in this range. Ranges are proven in the order of the ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRange {
    /// The range begins behind this id.
    pub after: String,
    /// The last id.
    pub through: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    wallet_id: String,
    kind: String,
    hold_id: Option<String>,
    reverses_id: Option<String>,
    created_at: DateTime<Utc>,
    line: Option<u16>,
    entry_wallet_id: Option<String>,
    account: Option<String>,
    lot_id: Option<String>,
    amount_micro: Option<i64>,
}

impl Row {
    /// The entry; `None` for a transaction without entries.
    fn entry(&mut self) -> Option<StoredEntry> {
        Some(StoredEntry {
            line: self.line?,
            wallet: self.entry_wallet_id.take()?,
            account: self.account.take()?,
            lot: self.lot_id.take(),
            amount: MicroCoins(self.amount_micro?),
        })
    }
}

/// The last id of the range behind `after` whose ids are below `before`; `None` if there are no transactions.
pub async fn find_range_end(conn: &mut Conn, after: &str, before: &str) -> StoreResult<Option<String>> {
    Ok(sqlx::query_scalar(
        "SELECT MAX(id) FROM (SELECT id FROM ledger_transactions WHERE id > ? AND id < ? ORDER BY id LIMIT ?)
             AS listed",
    )
    .bind(after)
    .bind(before)
    .bind(RANGE_SIZE)
    .fetch_one(conn)
    .await?)
}

/// Reads the transactions of a range with their entries, in order.
pub async fn read_range(conn: &mut Conn, range: &LedgerRange) -> StoreResult<Vec<StoredTransaction>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT t.id, t.wallet_id, t.kind, t.hold_id, t.reverses_id, t.created_at, e.line,
                e.wallet_id AS entry_wallet_id, e.account, e.lot_id, e.amount_micro
         FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE t.id > ? AND t.id <= ? ORDER BY t.id, e.line",
    )
    .bind(&range.after)
    .bind(&range.through)
    .fetch_all(conn)
    .await?;
    let mut transactions: Vec<StoredTransaction> = Vec::new();
    for mut row in rows {
        let entry = row.entry();
        match transactions.last_mut() {
            Some(last) if last.id == row.id => last.entries.extend(entry),
            _ => transactions.push(StoredTransaction {
                id: row.id,
                wallet: row.wallet_id,
                kind: row.kind,
                hold: row.hold_id,
                reverses: row.reverses_id,
                at: row.created_at,
                entries: entry.into_iter().collect(),
            }),
        }
    }
    Ok(transactions)
}

/// Whether the charges, refunds and orphaned entries of a range are right.
pub async fn check_range(conn: &mut Conn, range: &LedgerRange) -> StoreResult<bool> {
    let mut found = Verification::default();
    check_rules(conn, range, 1, &mut found).await?;
    Ok(found.discrepancies.is_empty())
}

/// Checks the rules of a range. A refund may belong to a charge of an earlier range.
pub(super) async fn check_rules(
    conn: &mut Conn,
    range: &LedgerRange,
    limit: u32,
    found: &mut Verification,
) -> StoreResult<()> {
    let LedgerRange { after, through } = range;
    for (rule, statement) in RANGE_RULES {
        let wrong: Vec<(String, i64, i64)> =
            sqlx::query_as(statement).bind(after).bind(through).bind(limit).fetch_all(&mut *conn).await?;
        found.note(rule, wrong, limit);
    }
    // In this order, so that the server looks the charges up and does not read all of them.
    let wrong: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT c.transaction_id AS row_id, CAST(-COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven,
                c.refunded_micro AS balance
         FROM (SELECT transaction_id AS charge_id FROM ledger_charges
                   WHERE transaction_id > ? AND transaction_id <= ?
               UNION SELECT reverses_id FROM ledger_transactions
                   WHERE id > ? AND id <= ? AND reverses_id IS NOT NULL) r
             STRAIGHT_JOIN ledger_charges c ON c.transaction_id = r.charge_id
             LEFT JOIN ledger_transactions t ON t.reverses_id = c.transaction_id
             LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account LIKE 'spent:%'
         GROUP BY c.transaction_id, c.refunded_micro
         HAVING -COALESCE(SUM(e.amount_micro), 0) <> c.refunded_micro ORDER BY row_id LIMIT ?",
    )
    .bind(after)
    .bind(through)
    .bind(after)
    .bind(through)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    found.note(REFUNDED, wrong, limit);
    Ok(())
}
