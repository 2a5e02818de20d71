//! Attempts that contradict the bank: a person reviews them. Writers hold the row's lock.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoicePaymentId;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::Discrepancy;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Stores a contradiction for a person. The attempt stays open, so that no other begins.
pub async fn set_review(
    conn: &mut Conn,
    id: InvoicePaymentId,
    discrepancy: Discrepancy,
    query_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE invoice_payments SET state = IF(open_slot = 1, 'review', state), discrepancy = ?, query_at = ?,
                updated_at = ?
         WHERE id = ?",
    )
    .bind(discrepancy.as_str())
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts an attempt into review that has ended, and lets no other begin. The caller has locked the invoice, which has no open
/// attempt but this; otherwise the unique key refuses it. Nobody can be asked about it.
pub async fn reopen_for_review(
    conn: &mut Conn,
    id: InvoicePaymentId,
    discrepancy: Discrepancy,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = 'review', open_slot = 1, discrepancy = ?, query_at = NULL, updated_at = ?
         WHERE id = ? AND state <> 'paid'",
    )
    .bind(discrepancy.as_str())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Ends the review of an attempt that the caller has locked: stores its state and removes the discrepancy. An attempt that
/// ends frees the place of the invoice's open attempt.
pub async fn resolve_review(
    conn: &mut Conn,
    id: InvoicePaymentId,
    state: AttemptState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = ?, open_slot = IF(?, 1, NULL), error_code = ?, discrepancy = NULL,
                query_at = IF(?, query_at, NULL), updated_at = ?
         WHERE id = ? AND discrepancy IS NOT NULL",
    )
    .bind(state.as_str())
    .bind(state.is_open())
    .bind(error_code)
    .bind(state.is_open())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}
