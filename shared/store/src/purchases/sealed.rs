//! What purchases and notices keep sealed, for moving it to another key.

use flysk_domain::id::{NoticeId, PurchaseId};

use crate::{Conn, StoreResult};

/// The sealed texts of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPurchase {
    /// Which.
    pub id: PurchaseId,
    /// Sealed for `coin_purchases.contact:<id>`.
    pub contact: String,
    /// Sealed for `coin_purchases.rebill:<id>`.
    pub rebill: Option<String>,
}

/// The sealed text of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedNotice {
    /// Which.
    pub id: NoticeId,
    /// Sealed for `tbank_notices.body:<id>`.
    pub body: String,
}

/// Purchases after `after`, in the order of their ids.
pub async fn list_sealed_purchases(
    conn: &mut Conn,
    after: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<SealedPurchase>> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, contact_sealed, rebill_sealed FROM coin_purchases WHERE id > ? ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, contact, rebill)| {
            Ok(SealedPurchase { id: super::read_text("purchase id", &id)?, contact, rebill })
        })
        .collect()
}

/// Replaces the sealed texts of a purchase if they are as they were read.
pub async fn reseal_purchase(
    conn: &mut Conn,
    read: &SealedPurchase,
    contact: &str,
    rebill: Option<&str>,
) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET contact_sealed = ?, rebill_sealed = ?
         WHERE id = ? AND contact_sealed = ? AND rebill_sealed <=> ?",
    )
    .bind(contact)
    .bind(rebill)
    .bind(read.id.to_string())
    .bind(&read.contact)
    .bind(&read.rebill)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Notices after `after`, in the order of their ids.
pub async fn list_sealed_notices(
    conn: &mut Conn,
    after: Option<NoticeId>,
    limit: u32,
) -> StoreResult<Vec<SealedNotice>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, body_sealed FROM tbank_notices WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(limit)
            .fetch_all(conn)
            .await?;
    rows.into_iter()
        .map(|(id, body)| Ok(SealedNotice { id: super::read_text("notice id", &id)?, body }))
        .collect()
}

/// Replaces the sealed body of a notice if it is as it was read.
pub async fn reseal_notice(conn: &mut Conn, read: &SealedNotice, body: &str) -> StoreResult<bool> {
    let updated = sqlx::query("UPDATE tbank_notices SET body_sealed = ? WHERE id = ? AND body_sealed = ?")
        .bind(body)
        .bind(read.id.to_string())
        .bind(&read.body)
        .execute(conn)
        .await?;
    Ok(updated.rows_affected() == 1)
}
