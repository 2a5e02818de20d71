//! The proof that the balances are what the entries say.

use sqlx::Connection as _;

use crate::{Conn, Pool, StoreResult};

/// One place where the books do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Which rule is broken.
    pub rule: &'static str,
    /// Where: an id.
    pub place: String,
    /// What the entries say, micro-Flycoins.
    pub proven: i64,
    /// What is stored beside them, micro-Flycoins.
    pub stored: i64,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// How many entries.
    pub entries: i64,
    /// How many wallets.
    pub wallets: i64,
    /// At most the limit; empty means proven.
    pub discrepancies: Vec<Discrepancy>,
}

/// Each with its name. It gives place, what the entries prove, what is stored; and ends where a limit can follow.
const RULES: [(&str, &str); 7] = [
    // A transaction's entries sum to zero, and there are some.
    (
        "transaction sums to zero",
        "SELECT t.id AS place, CAST(0 AS SIGNED) AS proven,
            CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS balance
     FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
     GROUP BY t.id HAVING COALESCE(SUM(e.amount_micro), 0) <> 0 OR COUNT(e.line) < 2",
    ),
    (
        "wallet available",
        "SELECT w.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            w.available_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'available' GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE COALESCE(e.total, 0) <> w.available_micro",
    ),
    (
        "wallet held",
        "SELECT w.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'held' GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE COALESCE(e.total, 0) <> w.held_micro",
    ),
    (
        "lot left",
        "SELECT l.id AS place, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven,
            l.left_micro AS balance
     FROM ledger_lots l LEFT JOIN (SELECT lot_id, SUM(amount_micro) AS total FROM ledger_entries
                                   WHERE account = 'available' GROUP BY lot_id) e ON e.lot_id = l.id
     WHERE COALESCE(e.total, 0) <> l.left_micro",
    ),
    (
        "open holds",
        "SELECT w.id AS place, CAST(COALESCE(h.total, 0) AS SIGNED) AS proven,
            w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_holds
                               WHERE state = 'open' GROUP BY wallet_id) h ON h.wallet_id = w.id
     WHERE COALESCE(h.total, 0) <> w.held_micro",
    ),
    (
        "charged",
        "SELECT c.transaction_id AS place, CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven,
            c.charged_micro AS balance
     FROM ledger_charges c LEFT JOIN ledger_entries e
         ON e.transaction_id = c.transaction_id AND e.account LIKE 'spent:%'
     GROUP BY c.transaction_id, c.charged_micro HAVING COALESCE(SUM(e.amount_micro), 0) <> c.charged_micro",
    ),
    (
        "refunded",
        "SELECT c.transaction_id AS place,
            CAST(-COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven, c.refunded_micro AS balance
     FROM ledger_charges c LEFT JOIN ledger_transactions t ON t.reverses_id = c.transaction_id
         LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.account LIKE 'spent:%'
     GROUP BY c.transaction_id, c.refunded_micro HAVING -COALESCE(SUM(e.amount_micro), 0) <> c.refunded_micro",
    ),
];

/// [`verify`] over one moment, on a connection of its own: nothing that is written meanwhile disturbs it, and it
/// locks nothing.
pub async fn prove(pool: &Pool, limit: u32) -> StoreResult<Proof> {
    let mut conn = pool.acquire().await?;
    // For the next transaction only; the session stays as it is.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    let proof = verify(&mut tx, limit).await?;
    tx.rollback().await?;
    Ok(proof)
}

/// Proves all wallets; tells at most `limit` discrepancies of each rule.
///
/// Reads the whole ledger: run it in one transaction at REPEATABLE READ, so that all rules see one moment,
/// and away from rush hour.
pub async fn verify(conn: &mut Conn, limit: u32) -> StoreResult<Proof> {
    let mut proof = Proof {
        entries: sqlx::query_scalar("SELECT COUNT(*) FROM ledger_entries").fetch_one(&mut *conn).await?,
        wallets: sqlx::query_scalar("SELECT COUNT(*) FROM wallets").fetch_one(&mut *conn).await?,
        discrepancies: Vec::new(),
    };
    for (rule, sql) in RULES {
        let sql = format!("{sql} ORDER BY place LIMIT ?");
        let found: Vec<(String, i64, i64)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&mut *conn).await?;
        let told = |(place, proven, stored)| Discrepancy { rule, place, proven, stored };
        proof.discrepancies.extend(found.into_iter().map(told));
    }
    Ok(proof)
}

/// What is proven, by the names discrepancies carry.
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.into_iter().map(|(rule, _)| rule)
}
