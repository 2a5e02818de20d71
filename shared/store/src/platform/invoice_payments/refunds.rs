//! Table `invoice_refunds`. The id is sent to the bank as `ExternalRequestId`.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, InvoiceId, InvoicePaymentId};
use flysk_domain::money::Kopecks;

use super::decode_text;
use crate::error::expect_one;
pub use crate::platform::purchases::RefundState;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Requester of the return of a payment that no invoice takes: `invoice_refunds.requested_by`. Such a return is no refund
/// of the invoice.
pub const BY_SYSTEM: &str = "system";

/// A refund of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceRefund {
    /// UUID; also the bank's `ExternalRequestId`.
    pub id: String,
    /// The invoice that was paid.
    pub invoice_id: InvoiceId,
    /// The attempt whose payment is refunded.
    pub payment_row_id: InvoicePaymentId,
    /// Above zero, at most `left`.
    pub amount: Kopecks,
    /// Rest of the payment before the refund.
    pub left: Kopecks,
    /// `Done` and `Refused` are final.
    pub state: RefundState,
    /// Why, for operators.
    pub reason: String,
    /// Requester of the refund.
    pub requested_by: String,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    invoice_id: String,
    payment_row_id: String,
    amount_kopecks: i64,
    left_kopecks: i64,
    state: String,
    reason: String,
    requested_by: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for InvoiceRefund {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            invoice_id: decode_text("invoice id", &row.invoice_id)?,
            payment_row_id: decode_text("invoice payment id", &row.payment_row_id)?,
            amount: Kopecks(row.amount_kopecks),
            left: Kopecks(row.left_kopecks),
            state: decode_text("refund state", &row.state)?,
            reason: row.reason,
            requested_by: row.requested_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, invoice_id, payment_row_id, amount_kopecks, left_kopecks, state, reason, requested_by,
    created_at, updated_at FROM invoice_refunds WHERE ";

/// Stores a refund with the state that it has.
pub async fn insert_refund(conn: &mut Conn, new: &InvoiceRefund) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO invoice_refunds (id, invoice_id, payment_row_id, amount_kopecks, left_kopecks, state, reason,
             requested_by, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(new.invoice_id.to_string())
    .bind(new.payment_row_id.to_string())
    .bind(new.amount.0)
    .bind(new.left.0)
    .bind(new.state.as_str())
    .bind(&new.reason)
    .bind(&new.requested_by)
    .bind(new.created_at)
    .bind(new.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_refund(conn: &mut Conn, id: &str) -> StoreResult<Option<InvoiceRefund>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT, "id = ?")).bind(id).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Lists the refunds of a payment, oldest first.
pub async fn list_refunds(conn: &mut Conn, payment: InvoicePaymentId) -> StoreResult<Vec<InvoiceRefund>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "payment_row_id = ? ORDER BY created_at, id"))
        .bind(payment.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Whether a payment is returned, or was to be, because no invoice takes it.
pub async fn is_returned(conn: &mut Conn, payment: InvoicePaymentId) -> StoreResult<bool> {
    let found: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM invoice_refunds WHERE payment_row_id = ? AND requested_by = ?",
    )
    .bind(payment.to_string())
    .bind(BY_SYSTEM)
    .fetch_one(conn)
    .await?;
    Ok(found > 0)
}

/// Whether another payment of the install than `except` may have saved a card at the bank that is not stored: it was to save one,
/// and was returned before it counted.
pub async fn has_unsaved_card(
    conn: &mut Conn,
    install: InstallId,
    except: InvoicePaymentId,
) -> StoreResult<bool> {
    let found: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM invoice_payments p LEFT JOIN payment_cards c ON c.payment_row_id = p.id
         WHERE p.install_id = ? AND p.id <> ? AND p.save_card AND c.id IS NULL
           AND (p.error_code = 'refunded'
                OR EXISTS (SELECT 1 FROM invoice_refunds r WHERE r.payment_row_id = p.id AND r.requested_by = ?))",
    )
    .bind(install.to_string())
    .bind(except.to_string())
    .bind(BY_SYSTEM)
    .fetch_one(conn)
    .await?;
    Ok(found > 0)
}

/// Lists the refunds of an invoice, oldest first.
pub async fn list_refunds_of_invoice(conn: &mut Conn, invoice: InvoiceId) -> StoreResult<Vec<InvoiceRefund>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "invoice_id = ? ORDER BY created_at, id"))
        .bind(invoice.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists refunds that did not end since `before`.
pub async fn list_stuck_refunds(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InvoiceRefund>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(
        SELECT,
        "state IN ('pending', 'sent') AND updated_at < ? ORDER BY updated_at LIMIT ?"
    ))
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Changes the state of a refund from `from`.
pub async fn mark_refund(
    conn: &mut Conn,
    id: &str,
    from: RefundState,
    to: RefundState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_refunds SET state = ?, error_code = ?, updated_at = ? WHERE id = ? AND state = ?",
    )
    .bind(to.as_str())
    .bind(error_code.map(|code| crate::platform::purchases::truncate_ascii(code, 16)))
    .bind(now)
    .bind(id)
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&updated, "refund")
}
