//! Effects of transfer invoices on their subjects: invoices of subscriptions and purchases of coins.

use chrono::{DateTime, Utc};
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::transfers::PaymentSubject;

use crate::error::expect_one;
use crate::platform::cache_invalidations;
use crate::{Conn, StoreResult};

/// Holds the price of an open subject until a time; an earlier one changes nothing. Purchases and renewals have no time of their
/// own.
///
/// The invoice's row is written whatever the time is: an attempt to pay it otherwise writes that row too, so that of two live
/// payments at once one loses on a cluster as well. [`crate::StoreError::WrongState`]: the invoice is not open any more.
pub async fn hold_subject(
    conn: &mut Conn,
    subject: PaymentSubject,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let PaymentSubject::Invoice(id) = subject else { return Ok(()) };
    // `GREATEST` of NULL is NULL: what has no time gets none.
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET due_at = GREATEST(due_at, ?), updated_at = ?
         WHERE id = ? AND state = 'open'",
    )
    .bind(until)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Lets a new purchase wait for a transfer: the bank's terminals know nothing of it and are not asked.
pub async fn await_transfer(conn: &mut Conn, id: PurchaseId, now: DateTime<Utc>) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'awaiting', poll_at = NULL, updated_at = ?
         WHERE id = ? AND state = 'created'",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}
