//! What transfer invoices do to their subjects: invoices of subscriptions and purchases of coins.

use chrono::{DateTime, Utc};
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::transfers::PaymentSubject;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Holds the price of an open subject until a time; an earlier one changes nothing. Purchases have no time of their own.
pub async fn hold_subject(
    conn: &mut Conn,
    subject: PaymentSubject,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let PaymentSubject::Invoice(id) = subject else { return Ok(()) };
    sqlx::query(
        "UPDATE subscription_invoices SET due_at = GREATEST(due_at, ?), updated_at = ?
         WHERE id = ? AND state = 'open' AND due_at IS NOT NULL",
    )
    .bind(until)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
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
