//! Table `invoice_receipts`: closing receipts (54-FZ).

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum;
use flysk_domain::UnknownText;
use flysk_domain::id::{InvoiceId, InvoicePaymentId, ReceiptId};
use flysk_domain::platform::subscriptions::{ReceiptBasis, ReceiptKind};

use super::decode_text;
use crate::error::{expect_one, unless_duplicate_of};
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// State of a closing receipt.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// Not due yet, or to be sent again: no receipt was registered for certain.
    Waiting,
    /// About to be sent, or the answer was lost. The bank cannot be queried about a closing receipt.
    Sending,
    /// Registered.
    Sent,
    /// The answer was lost: a person must look at the cash register.
    Unclear,
    /// Not needed: the payment was refunded.
    Cancelled,
}

/// Row of `invoice_receipts`: the receipt of the settlement after a prepayment (54-FZ).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingReceipt {
    /// `rcp_…`, ordered by the time of creation.
    pub id: ReceiptId,
    /// The prepaid invoice.
    pub invoice_id: InvoiceId,
    /// The attempt that paid it.
    pub payment_row_id: InvoicePaymentId,
    /// When it is sent next: at the end of the period, and later while it could not be registered.
    pub due_at: DateTime<Utc>,
    /// `Unclear` waits for a person.
    pub state: ReceiptState,
}

#[derive(sqlx::FromRow)]
struct Row {
    invoice_id: String,
    payment_row_id: String,
    due_at: DateTime<Utc>,
    state: String,
}

const SELECT: &str = "SELECT invoice_id, payment_row_id, due_at, state FROM invoice_receipts WHERE ";

/// Inserts a receipt that is due at the end of the period; nothing if the payment has one.
pub async fn insert_receipt(conn: &mut Conn, new: &ClosingReceipt, now: DateTime<Utc>) -> StoreResult<()> {
    let inserted = sqlx::query(
        "INSERT INTO invoice_receipts (id, invoice_id, payment_row_id, due_at, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.invoice_id.to_string())
    .bind(new.payment_row_id.to_string())
    .bind(new.due_at)
    .bind(new.state.as_str())
    .bind(now)
    .bind(now)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "invoice_receipts_payment")?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_receipt(conn: &mut Conn, id: ReceiptId) -> StoreResult<Option<ClosingReceipt>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(ClosingReceipt {
        id,
        invoice_id: decode_text("invoice id", &row.invoice_id)?,
        payment_row_id: decode_text("invoice payment id", &row.payment_row_id)?,
        due_at: row.due_at,
        state: decode_text("receipt state", &row.state)?,
    }))
}

/// Finds the closing receipt of a payment.
pub async fn find_receipt_of_payment(
    conn: &mut Conn,
    payment: InvoicePaymentId,
) -> StoreResult<Option<ClosingReceipt>> {
    let id: Option<String> = sqlx::query_scalar("SELECT id FROM invoice_receipts WHERE payment_row_id = ?")
        .bind(payment.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    match id {
        Some(id) => find_receipt(conn, decode_text("receipt id", &id)?).await,
        None => Ok(None),
    }
}

/// Finds what the registered closing receipt of a payment says: a refund then undoes a settlement and no prepayment. Its taxes
/// are those of the invoice where they are `None`. `None` if no closing receipt is registered.
pub async fn find_closing_basis(
    conn: &mut Conn,
    payment: InvoicePaymentId,
) -> StoreResult<Option<ReceiptBasis>> {
    let row: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT taxation, vat FROM invoice_receipts WHERE payment_row_id = ? AND state = 'sent'",
    )
    .bind(payment.to_string())
    .fetch_optional(conn)
    .await?;
    let Some((taxation, vat)) = row else { return Ok(None) };
    let vat = vat.as_deref().map(|text| decode_text("VAT rate", text)).transpose()?;
    Ok(Some(ReceiptBasis { kind: ReceiptKind::Settlement, taxation, vat }))
}

/// Stores what a waiting receipt says, and that it is about to be sent. Until `again_at` no other job takes it: that would find it
/// being sent, and count it as unclear.
pub async fn begin_sending(
    conn: &mut Conn,
    id: ReceiptId,
    basis: &ReceiptBasis,
    again_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_receipts SET state = 'sending', taxation = ?, vat = ?, due_at = GREATEST(due_at, ?),
                updated_at = ?
         WHERE id = ? AND state = 'waiting'",
    )
    .bind(basis.taxation.as_deref())
    .bind(basis.vat.map(TextEnum::as_str))
    .bind(again_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "receipt")
}

/// Takes at most `limit` receipts whose time has come, and moves the time of their next job, so that a lost job is repeated.
pub async fn claim_receipts(
    conn: &mut Conn,
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<ReceiptId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM invoice_receipts WHERE state IN ('waiting', 'sending') AND due_at <= ?
         ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut update = sqlx::QueryBuilder::new("UPDATE invoice_receipts SET due_at = ");
    update.push_bind(again_at).push(" WHERE id");
    push_in(&mut update, ids.iter().cloned());
    update.build().execute(conn).await?;
    ids.iter().map(|id| decode_text("receipt id", id)).collect()
}

/// Changes the state of a receipt from `from`. What the bank refused before counts no more, unless the receipt waits again.
pub async fn mark_receipt(
    conn: &mut Conn,
    id: ReceiptId,
    from: ReceiptState,
    to: ReceiptState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_receipts SET state = ?, error_code = IF(? = 'waiting', error_code, ?),
                refused_at = IF(? = 'waiting', refused_at, NULL), updated_at = ?
         WHERE id = ? AND state = ?",
    )
    .bind(to.as_str())
    .bind(to.as_str())
    .bind(error_code.map(|code| crate::platform::purchases::truncate_ascii(code, 16)))
    .bind(to.as_str())
    .bind(now)
    .bind(id.to_string())
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&updated, "receipt")
}

/// Makes a receipt that was being sent wait until `again_at`, because the bank refused it for certain: nothing was registered.
pub async fn refuse_receipt(
    conn: &mut Conn,
    id: ReceiptId,
    error_code: &str,
    again_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_receipts SET state = 'waiting', error_code = ?, refused_at = ?, due_at = ?,
                updated_at = ?
         WHERE id = ? AND state = 'sending'",
    )
    .bind(crate::platform::purchases::truncate_ascii(error_code, 16))
    .bind(now)
    .bind(again_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "receipt")
}

/// Makes a receipt in the state `from` wait for the job that the caller enqueues: an operator found that none is registered. If the
/// job is lost, the receipt is due at `again_at`.
pub async fn make_receipt_due(
    conn: &mut Conn,
    id: ReceiptId,
    from: ReceiptState,
    again_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_receipts SET state = 'waiting', error_code = NULL, refused_at = NULL, due_at = ?,
                updated_at = ?
         WHERE id = ? AND state = ?",
    )
    .bind(again_at)
    .bind(now)
    .bind(id.to_string())
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&updated, "receipt")
}

/// Makes the cancelled receipt of a payment wait again: the bank refused the refund that it was cancelled for.
pub async fn restore_receipt(
    conn: &mut Conn,
    payment: InvoicePaymentId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE invoice_receipts SET state = 'waiting', updated_at = ? WHERE payment_row_id = ? AND state = 'cancelled'",
    )
    .bind(now)
    .bind(payment.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Cancels the waiting receipt of a payment that was refunded completely.
pub async fn cancel_receipt(
    conn: &mut Conn,
    payment: InvoicePaymentId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE invoice_receipts SET state = 'cancelled', refused_at = NULL, updated_at = ?
         WHERE payment_row_id = ? AND state = 'waiting'",
    )
    .bind(now)
    .bind(payment.to_string())
    .execute(conn)
    .await?;
    Ok(())
}
