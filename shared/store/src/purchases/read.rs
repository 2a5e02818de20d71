//! Looking purchases up.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PurchaseId, WalletId};

use super::row::{Purchase, Row, SELECT};
use crate::{Conn, StoreError, StoreResult};

/// Binds one text after another to a query made of [`SELECT`] and `rest`.
macro_rules! select {
    ($rest:expr $(, $bind:expr)* $(,)?) => {
        sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(format!("{SELECT}{}", $rest)))$(.bind($bind))*
    };
}

fn all(rows: Vec<Row>) -> StoreResult<Vec<Purchase>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One purchase.
pub async fn find_purchase(conn: &mut Conn, id: PurchaseId) -> StoreResult<Option<Purchase>> {
    select!("p.id = ?", id.to_string()).fetch_optional(conn).await?.map(TryInto::try_into).transpose()
}

/// One purchase, its row locked until the transaction ends.
pub async fn lock_purchase(conn: &mut Conn, id: PurchaseId) -> StoreResult<Purchase> {
    // The row alone first: `FOR UPDATE` on the join would lock wallet and package too.
    let locked: Option<String> = sqlx::query_scalar("SELECT id FROM coin_purchases WHERE id = ? FOR UPDATE")
        .bind(id.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    locked.ok_or(StoreError::Stale { what: "purchase" })?;
    find_purchase(conn, id).await?.ok_or(StoreError::Stale { what: "purchase" })
}

/// The purchase of an order at the bank.
pub async fn find_purchase_of_order(
    conn: &mut Conn,
    terminal_key: &str,
    order_id: &str,
) -> StoreResult<Option<Purchase>> {
    let row = select!("p.terminal_key = ? AND p.order_id = ?", terminal_key, order_id);
    row.fetch_optional(conn).await?.map(TryInto::try_into).transpose()
}

/// The purchase a wallet's owner asked for under a key.
pub async fn find_purchase_asked(
    conn: &mut Conn,
    wallet: WalletId,
    key: &str,
) -> StoreResult<Option<Purchase>> {
    let row = select!("p.wallet_id = ? AND p.idem_key = ?", wallet.to_string(), key);
    row.fetch_optional(conn).await?.map(TryInto::try_into).transpose()
}

/// The same once an insert was refused because of it: whatever snapshot the transaction reads from, a locking
/// read sees what was committed since.
pub async fn find_purchase_just_asked(
    conn: &mut Conn,
    wallet: WalletId,
    key: &str,
) -> StoreResult<Option<Purchase>> {
    let row = select!("p.wallet_id = ? AND p.idem_key = ? LOCK IN SHARE MODE", wallet.to_string(), key);
    row.fetch_optional(conn).await?.map(TryInto::try_into).transpose()
}

/// A wallet's purchases older than `before`, the youngest first.
pub async fn list_purchases(
    conn: &mut Conn,
    wallet: WalletId,
    before: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<Purchase>> {
    // Ids are in the order of time; the highest text stands for "no bound".
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows =
        select!("p.wallet_id = ? AND p.id < ? ORDER BY p.id DESC LIMIT ?", wallet.to_string(), before, limit);
    all(rows.fetch_all(conn).await?)
}

/// How many purchases of a wallet younger than `since` nobody has paid or given up yet.
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

/// Purchases the bank is to be asked about, the longest due first.
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
    ids.iter().map(|id| super::read_text("purchase id", id)).collect()
}

/// Purchases that last changed within the time, or were credited before its end and not before `credited_since`;
/// those after `after`, in the order of their ids.
pub async fn list_purchases_to_compare(
    conn: &mut Conn,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    credited_since: DateTime<Utc>,
    after: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<Purchase>> {
    let rows = select!(
        "((p.updated_at >= ? AND p.updated_at < ?) OR (p.credited_at >= ? AND p.credited_at < ?))
         AND p.id > ? ORDER BY p.id LIMIT ?",
        from,
        until,
        credited_since,
        until,
        after.map(|id| id.to_string()).unwrap_or_default(),
        limit,
    );
    all(rows.fetch_all(conn).await?)
}
