//! Reads of `coin_purchases`.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PurchaseId, WalletId};

use super::row::{Purchase, Row, SELECT};
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

fn into_purchase(row: Option<Row>) -> StoreResult<Option<Purchase>> {
    row.map(TryInto::try_into).transpose()
}

fn into_purchases(rows: Vec<Row>) -> StoreResult<Vec<Purchase>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_purchase(conn: &mut Conn, id: PurchaseId) -> StoreResult<Option<Purchase>> {
    into_purchase(sqlx::query_as(sql!(SELECT, "p.id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Reads a purchase and locks its row until the transaction ends.
pub async fn lock_purchase(conn: &mut Conn, id: PurchaseId) -> StoreResult<Purchase> {
    // Locks the row alone first: `FOR UPDATE` on the join would lock wallet and package too.
    let locked: Option<String> = sqlx::query_scalar("SELECT id FROM coin_purchases WHERE id = ? FOR UPDATE")
        .bind(id.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    locked.ok_or(StoreError::WrongState { what: "purchase" })?;
    find_purchase(conn, id).await?.ok_or(StoreError::WrongState { what: "purchase" })
}

/// Finds the purchase with the bank's order number.
pub async fn find_purchase_of_order(
    conn: &mut Conn,
    terminal_key: &str,
    order_id: &str,
) -> StoreResult<Option<Purchase>> {
    let row = sqlx::query_as(sql!(SELECT, "p.terminal_key = ? AND p.order_id = ?"))
        .bind(terminal_key)
        .bind(order_id)
        .fetch_optional(conn)
        .await?;
    into_purchase(row)
}

/// Finds the purchase that was created for a wallet under an idempotency key.
pub async fn find_purchase_asked(
    conn: &mut Conn,
    wallet: WalletId,
    key: &str,
) -> StoreResult<Option<Purchase>> {
    let row = sqlx::query_as(sql!(SELECT, "p.wallet_id = ? AND p.idem_key = ?"))
        .bind(wallet.to_string())
        .bind(key)
        .fetch_optional(conn)
        .await?;
    into_purchase(row)
}

/// As [`find_purchase_asked`], after an insert failed on the key: a locking read sees rows committed since the
/// transaction's snapshot.
pub async fn find_purchase_just_asked(
    conn: &mut Conn,
    wallet: WalletId,
    key: &str,
) -> StoreResult<Option<Purchase>> {
    let row = sqlx::query_as(sql!(SELECT, "p.wallet_id = ? AND p.idem_key = ? LOCK IN SHARE MODE"))
        .bind(wallet.to_string())
        .bind(key)
        .fetch_optional(conn)
        .await?;
    into_purchase(row)
}

/// Lists a wallet's purchases older than `before`, newest first.
pub async fn list_purchases(
    conn: &mut Conn,
    wallet: WalletId,
    before: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<Purchase>> {
    // Ids are ordered by time; `~` is above every id and stands for "no bound".
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows = sqlx::query_as(sql!(SELECT, "p.wallet_id = ? AND p.id < ? ORDER BY p.id DESC LIMIT ?"))
        .bind(wallet.to_string())
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_purchases(rows)
}

/// Counts a wallet's purchases after `since` that are neither paid nor failed.
pub async fn count_open_purchases(
    conn: &mut Conn,
    wallet: WalletId,
    since: DateTime<Utc>,
) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM coin_purchases
         WHERE wallet_id = ? AND created_at >= ? AND state IN ('created', 'opening', 'awaiting')",
    )
    .bind(wallet.to_string())
    .bind(since)
    .fetch_one(conn)
    .await?)
}

/// Lists purchases whose status query at the bank is due, longest due first.
pub async fn list_due_purchases(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<PurchaseId>> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM coin_purchases WHERE poll_at <= ? ORDER BY poll_at LIMIT ?")
            .bind(now)
            .bind(limit)
            .fetch_all(conn)
            .await?;
    ids.iter().map(|id| super::decode_text("purchase id", id)).collect()
}

/// Lists purchases at terminals that last changed within the period, or were credited before its end and not before
/// `credited_since`; ordered by id, starting after `after`. Purchases that are paid by transfer have no order at the bank.
pub async fn list_purchases_to_compare(
    conn: &mut Conn,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    credited_since: DateTime<Utc>,
    after: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<Purchase>> {
    let rows = sqlx::query_as(sql!(
        SELECT,
        "((p.updated_at >= ? AND p.updated_at < ?) OR (p.credited_at >= ? AND p.credited_at < ?))
         AND p.terminal_key <> 'transfer' AND p.id > ? ORDER BY p.id LIMIT ?",
    ))
    .bind(from)
    .bind(until)
    .bind(credited_since)
    .bind(until)
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_purchases(rows)
}
