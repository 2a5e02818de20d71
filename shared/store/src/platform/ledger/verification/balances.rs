//! Balances of wallets and lots against all their entries, page by page.

use super::Verification;
use crate::{Conn, StoreResult};

const WALLETS_PER_PAGE: u32 = 500;
const LOTS_PER_PAGE: u32 = 1_000;

/// The balance is the sum of the entries.
pub(super) const WALLET_AVAILABLE: &str = "wallet available";
/// The held coins are the sum of the entries.
pub(super) const WALLET_HELD: &str = "wallet held";
/// The held coins are those of the open holds.
pub(super) const OPEN_HOLDS: &str = "open holds";
/// The rest of a lot is the sum of its entries.
pub(super) const LOT_LEFT: &str = "lot left";

/// Rules of wallets. Each statement returns the id, the value computed from the rows and the stored value.
const WALLET_RULES: [(&str, &str); 3] = [
    (
        WALLET_AVAILABLE,
        "SELECT w.id AS row_id, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven, w.available_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'available' AND wallet_id > ? AND wallet_id <= ?
                               GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE w.id > ? AND w.id <= ? AND COALESCE(e.total, 0) <> w.available_micro ORDER BY row_id LIMIT ?",
    ),
    (
        WALLET_HELD,
        "SELECT w.id AS row_id, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven, w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_entries
                               WHERE account = 'held' AND wallet_id > ? AND wallet_id <= ?
                               GROUP BY wallet_id) e ON e.wallet_id = w.id
     WHERE w.id > ? AND w.id <= ? AND COALESCE(e.total, 0) <> w.held_micro ORDER BY row_id LIMIT ?",
    ),
    (
        OPEN_HOLDS,
        "SELECT w.id AS row_id, CAST(COALESCE(h.total, 0) AS SIGNED) AS proven, w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_holds
                               WHERE state = 'open' AND wallet_id > ? AND wallet_id <= ?
                               GROUP BY wallet_id) h ON h.wallet_id = w.id
     WHERE w.id > ? AND w.id <= ? AND COALESCE(h.total, 0) <> w.held_micro ORDER BY row_id LIMIT ?",
    ),
];

/// Verifies the balances of all wallets.
pub(super) async fn verify_wallets(conn: &mut Conn, limit: u32, found: &mut Verification) -> StoreResult<()> {
    let mut after = String::new();
    loop {
        let (wallets, through): (i64, Option<String>) = sqlx::query_as(
            "SELECT COUNT(*), MAX(id) FROM (SELECT id FROM wallets WHERE id > ? ORDER BY id LIMIT ?) AS listed",
        )
        .bind(&after)
        .bind(WALLETS_PER_PAGE)
        .fetch_one(&mut *conn)
        .await?;
        let Some(through) = through else { return Ok(()) };
        found.wallets += wallets;
        for (rule, statement) in WALLET_RULES {
            let wrong: Vec<(String, i64, i64)> = sqlx::query_as(statement)
                .bind(&after)
                .bind(&through)
                .bind(&after)
                .bind(&through)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?;
            found.note(rule, wrong, limit);
        }
        after = through;
    }
}

/// Verifies what is left of all lots.
pub(super) async fn verify_lots(conn: &mut Conn, limit: u32, found: &mut Verification) -> StoreResult<()> {
    let mut after = String::new();
    loop {
        let through: Option<String> = sqlx::query_scalar(
            "SELECT MAX(id) FROM (SELECT id FROM ledger_lots WHERE id > ? ORDER BY id LIMIT ?) AS listed",
        )
        .bind(&after)
        .bind(LOTS_PER_PAGE)
        .fetch_one(&mut *conn)
        .await?;
        let Some(through) = through else { return Ok(()) };
        let wrong: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT l.id AS row_id, CAST(COALESCE(SUM(e.amount_micro), 0) AS SIGNED) AS proven,
                    l.left_micro AS balance
             FROM ledger_lots l LEFT JOIN ledger_entries e
                 ON e.wallet_id = l.wallet_id AND e.account = 'available' AND e.lot_id = l.id
             WHERE l.id > ? AND l.id <= ? GROUP BY l.id, l.left_micro
             HAVING COALESCE(SUM(e.amount_micro), 0) <> l.left_micro ORDER BY row_id LIMIT ?",
        )
        .bind(&after)
        .bind(&through)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        found.note(LOT_LEFT, wrong, limit);
        after = through;
    }
}
