//! Sealed texts of purchases and notifications, for re-encryption under another key.

use flysk_domain::id::{NotificationId, PurchaseId};

use crate::{Conn, StoreResult};

/// The sealed texts of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPurchase {
    /// `pur_…`, ordered by the time of creation.
    pub id: PurchaseId,
    /// E-mail address, sealed for `coin_purchases.contact:<id>`.
    pub contact: String,
    /// Rebill id, sealed for `coin_purchases.rebill:<id>`.
    pub rebill: Option<String>,
}

/// The sealed text of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedNotification {
    /// `ntf_…`, ordered by the time of creation.
    pub id: NotificationId,
    /// Body, sealed for `tbank_notifications.body:<id>`.
    pub body: String,
}

/// Lists purchases after `after`, by id, without those whose account was erased.
pub async fn list_sealed_purchases(
    conn: &mut Conn,
    after: Option<PurchaseId>,
    limit: u32,
) -> StoreResult<Vec<SealedPurchase>> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, contact_sealed, rebill_sealed FROM coin_purchases
         WHERE id > ? AND contact_sealed <> '' ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, contact, rebill)| {
            Ok(SealedPurchase { id: super::decode_text("purchase id", &id)?, contact, rebill })
        })
        .collect()
}

/// Replaces the sealed texts of a purchase and the hash of its address, unless they changed since they were read.
pub async fn reseal_purchase(
    conn: &mut Conn,
    read: &SealedPurchase,
    (contact, hash): (&str, &[u8]),
    rebill: Option<&str>,
) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET contact_sealed = ?, contact_hash = ?, rebill_sealed = ?
         WHERE id = ? AND contact_sealed = ? AND rebill_sealed <=> ?",
    )
    .bind(contact)
    .bind(hash)
    .bind(rebill)
    .bind(read.id.to_string())
    .bind(&read.contact)
    .bind(&read.rebill)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Lists notifications after `after`, by id, without erased ones.
pub async fn list_sealed_notifications(
    conn: &mut Conn,
    after: Option<NotificationId>,
    limit: u32,
) -> StoreResult<Vec<SealedNotification>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, body_sealed FROM tbank_notifications WHERE id > ? AND body_sealed <> '' ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, body)| Ok(SealedNotification { id: super::decode_text("notification id", &id)?, body }))
        .collect()
}

/// Replaces the sealed body of a notification, unless it changed since it was read.
pub async fn reseal_notification(
    conn: &mut Conn,
    read: &SealedNotification,
    body: &str,
) -> StoreResult<bool> {
    let updated =
        sqlx::query("UPDATE tbank_notifications SET body_sealed = ? WHERE id = ? AND body_sealed = ?")
            .bind(body)
            .bind(read.id.to_string())
            .bind(&read.body)
            .execute(conn)
            .await?;
    Ok(updated.rows_affected() == 1)
}
