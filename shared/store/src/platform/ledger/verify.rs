//! Verification of the stored balances against the entries.

use sqlx::Connection as _;

use crate::{Conn, Pool, StoreResult};

/// A mismatch between the entries and a stored balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Name of the violated rule.
    pub rule: &'static str,
    /// Id of the row concerned.
    pub place: String,
    /// Value computed from the entries, micro-Flycoins.
    pub proven: i64,
    /// Stored value, micro-Flycoins.
    pub stored: i64,
}

/// Result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Number of entries checked.
    pub entries: i64,
    /// Number of wallets checked.
    pub wallets: i64,
    /// Mismatches, at most `limit` per rule; empty if the ledger is consistent.
    pub discrepancies: Vec<Discrepancy>,
}

/// Rules by name. Each query returns the id, the value computed from the entries and the stored value.
const RULES: [(&str, &str); 7] = [
    // A transaction has entries, and they sum to zero.
    (
        "transaction sums to zero",
        "SELECT t.id AS place, CAST(0 AS SIGNED) AS proven,
            CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS balance
     FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
     GROUP BY t.id HAVING COALESCE(SUM(e.amount_micro), 0) <> 0 OR COUNT(e.line) < 2 ORDER BY place LIMIT ?",
    ),
    (
        "wallet available",
        "SELECT w.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            w.available_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'available' GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE COALESCE(e.total, 0) <> w.available_micro ORDER BY place LIMIT ?",
    ),
    (
        "wallet held",
        "SELECT w.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'held' GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE COALESCE(e.total, 0) <> w.held_micro ORDER BY place LIMIT ?",
    ),
    (
        "lot left",
        "SELECT l.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            l.left_micro AS balance
     FROM ledger_lots l LEFT JOIN (SELECT lot_id, SUM(amount_micro) AS total FROM ledger_entries
                                   WHERE account = 'available' GROUP BY lot_id) e ON e.lot_id = l.id
     WHERE COALESCE(e.total, 0) <> l.left_micro ORDER BY place LIMIT ?",
    ),
    (
        "open holds",
        "SELECT w.id AS place, CAST(COALESCE(h.total, 0) AS SIGNED) AS proven,
            w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_holds
                               WHERE state = 'open' GROUP BY wallet_id) h ON h.wallet_id = w.id
     WHERE COALESCE(h.total, 0) <> w.held_micro ORDER BY place LIMIT ?",
    ),
    (
        "charged",
        "SELECT c.transaction_id AS place, CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven,
            c.charged_micro AS balance
     FROM ledger_charges c LEFT JOIN ledger_entries e
         ON e.transaction_id = c.transaction_id AND e.account LIKE 'spent:%'
     GROUP BY c.transaction_id, c.charged_micro HAVING COALESCE(SUM(e.amount_micro), 0) <> c.charged_micro ORDER BY place LIMIT ?",
    ),
    (
        "refunded",
        "SELECT c.transaction_id AS place,
            CAST(-COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven, c.refunded_micro AS balance
     FROM ledger_charges c LEFT JOIN ledger_transactions t ON t.reverses_id = c.transaction_id
         LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account LIKE 'spent:%'
     GROUP BY c.transaction_id, c.refunded_micro HAVING -COALESCE(SUM(e.amount_micro), 0) <> c.refunded_micro ORDER BY place LIMIT ?",
    ),
];

/// Runs [`verify`] in a consistent snapshot on its own connection: concurrent writes do not affect it, and it takes no
/// locks.
pub async fn verify_snapshot(pool: &Pool, limit: u32) -> StoreResult<Verification> {
    let mut conn = pool.acquire().await?;
    // Applies to the next transaction only; the session's level is unchanged.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    let verification = verify(&mut tx, limit).await?;
    tx.rollback().await?;
    Ok(verification)
}

/// Verifies all wallets; reports at most `limit` discrepancies per rule.
///
/// Reads the whole ledger: run it in one transaction at REPEATABLE READ, so that all rules use one snapshot, and
/// outside peak hours.
pub async fn verify(conn: &mut Conn, limit: u32) -> StoreResult<Verification> {
    let mut verification = Verification {
        entries: sqlx::query_scalar("SELECT COUNT(*) FROM ledger_entries").fetch_one(&mut *conn).await?,
        wallets: sqlx::query_scalar("SELECT COUNT(*) FROM wallets").fetch_one(&mut *conn).await?,
        discrepancies: Vec::new(),
    };
    for (rule, statement) in RULES {
        let found: Vec<(String, i64, i64)> =
            sqlx::query_as(statement).bind(limit).fetch_all(&mut *conn).await?;
        let discrepancy = |(place, proven, stored)| Discrepancy { rule, place, proven, stored };
        verification.discrepancies.extend(found.into_iter().map(discrepancy));
    }
    Ok(verification)
}

/// Names of all rules, as used in [`Discrepancy::rule`].
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.into_iter().map(|(rule, _)| rule)
}
