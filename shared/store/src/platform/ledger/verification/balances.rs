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

/// Returns the id, and the sum of the entries and the stored value of both balances.
///
/// The entries are those of the wallet's transactions, found by the index of its history and by their primary key. Entries that name
/// another wallet than their transaction, or that have no transaction, violate a rule of their own.
const SUMS_OF_WALLETS: &str =
    "SELECT w.id AS row_id, CAST(COALESCE(e.available, 0) AS SIGNED) AS proven_available, w.available_micro,
            CAST(COALESCE(e.held, 0) AS SIGNED) AS proven_held, w.held_micro
     FROM wallets w LEFT JOIN (
         SELECT t.wallet_id, SUM(IF(e.account = 'available', e.amount_micro, 0)) AS available,
                SUM(IF(e.account = 'held', e.amount_micro, 0)) AS held
         FROM ledger_transactions t FORCE INDEX (ledger_transactions_kind)
             STRAIGHT_JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE t.wallet_id > ? AND t.wallet_id <= ? AND e.account IN ('available', 'held') GROUP BY t.wallet_id
     ) e ON e.wallet_id = w.id
     WHERE w.id > ? AND w.id <= ?
         AND (COALESCE(e.available, 0) <> w.available_micro OR COALESCE(e.held, 0) <> w.held_micro) ORDER BY row_id";

/// Returns the id, the sum of the open holds and the stored value.
const HOLDS_OF_WALLETS: &str =
    "SELECT w.id AS row_id, CAST(COALESCE(h.total, 0) AS SIGNED) AS proven, w.held_micro AS balance
     FROM wallets w LEFT JOIN (SELECT wallet_id, SUM(amount_micro) AS total FROM ledger_holds
                               WHERE state = 'open' AND wallet_id > ? AND wallet_id <= ?
                               GROUP BY wallet_id) h ON h.wallet_id = w.id
     WHERE w.id > ? AND w.id <= ? AND COALESCE(h.total, 0) <> w.held_micro ORDER BY row_id";

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
        let wrong: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(SUMS_OF_WALLETS)
            .bind(&after)
            .bind(&through)
            .bind(&after)
            .bind(&through)
            .fetch_all(&mut *conn)
            .await?;
        for (wallet, proven_available, available, proven_held, held) in wrong {
            if proven_available != available {
                found.note(WALLET_AVAILABLE, [(wallet.clone(), proven_available, available)], limit);
            }
            if proven_held != held {
                found.note(WALLET_HELD, [(wallet, proven_held, held)], limit);
            }
        }
        let wrong: Vec<(String, i64, i64)> = sqlx::query_as(HOLDS_OF_WALLETS)
            .bind(&after)
            .bind(&through)
            .bind(&after)
            .bind(&through)
            .fetch_all(&mut *conn)
            .await?;
        found.note(OPEN_HOLDS, wrong, limit);
        after = through;
    }
}

/// Verifies what is left of all lots: those of some wallets, also of wallets that are not there, in each step.
///
/// Lots are joined with the sums by an expression of the wallet: by its column MariaDB may sum a wallet's entries anew for each of
/// its lots (`split_materialized`), if the statistics of the index are older than a large wallet.
pub(super) async fn verify_lots(conn: &mut Conn, limit: u32, found: &mut Verification) -> StoreResult<()> {
    let mut after = String::new();
    loop {
        let through: Option<String> = sqlx::query_scalar(
            "SELECT MAX(wallet_id) FROM (SELECT wallet_id FROM ledger_lots WHERE wallet_id > ?
                                         ORDER BY wallet_id LIMIT ?) AS listed",
        )
        .bind(&after)
        .bind(LOTS_PER_PAGE)
        .fetch_one(&mut *conn)
        .await?;
        let Some(through) = through else { return Ok(()) };
        let wrong: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT l.id AS row_id, CAST(COALESCE(e.total, 0) AS SIGNED) AS proven, l.left_micro AS balance
             FROM ledger_lots l LEFT JOIN (
                 SELECT t.wallet_id, e.lot_id, SUM(e.amount_micro) AS total
                 FROM ledger_transactions t FORCE INDEX (ledger_transactions_kind)
                     STRAIGHT_JOIN ledger_entries e ON e.transaction_id = t.id
                 WHERE t.wallet_id > ? AND t.wallet_id <= ? AND e.account = 'available' AND e.lot_id IS NOT NULL
                 GROUP BY t.wallet_id, e.lot_id
             ) e ON e.lot_id = l.id AND CONCAT(e.wallet_id) = l.wallet_id
             WHERE l.wallet_id > ? AND l.wallet_id <= ? AND COALESCE(e.total, 0) <> l.left_micro ORDER BY row_id",
        )
        .bind(&after)
        .bind(&through)
        .bind(&after)
        .bind(&through)
        .fetch_all(&mut *conn)
        .await?;
        found.note(LOT_LEFT, wrong, limit);
        after = through;
    }
}
