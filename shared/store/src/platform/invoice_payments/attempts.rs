//! Table `invoice_payments`. Writers hold the row's lock, except where a function states otherwise.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{CardId, InvoiceId, InvoicePaymentId};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::tbank::PaymentStatus;

use super::refunds::BY_SYSTEM;
use super::row::{Attempt, Row, SELECT_ATTEMPT};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Widths of the columns of the bank's texts, in characters.
const MAX_STATUS_LEN: usize = 32;
const MAX_ERROR_CODE_LEN: usize = 16;

fn one(row: Result<Option<Row>, sqlx::Error>) -> StoreResult<Option<Attempt>> {
    row?.map(TryInto::try_into).transpose()
}

fn all(rows: Vec<Row>) -> StoreResult<Vec<Attempt>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_attempt(conn: &mut Conn, id: InvoicePaymentId) -> StoreResult<Option<Attempt>> {
    one(sqlx::query_as(sql!(SELECT_ATTEMPT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await)
}

/// Locks an attempt until the transaction ends.
pub async fn lock_attempt(conn: &mut Conn, id: InvoicePaymentId) -> StoreResult<Attempt> {
    let row = sqlx::query_as(sql!(SELECT_ATTEMPT, "id = ? FOR UPDATE")).bind(id.to_string());
    let found = one(row.fetch_optional(conn).await)?;
    found.ok_or(StoreError::WrongState { what: "invoice payment" })
}

/// Finds the attempt of an invoice that may still take money.
pub async fn find_open_attempt(conn: &mut Conn, invoice: InvoiceId) -> StoreResult<Option<Attempt>> {
    let row =
        sqlx::query_as(sql!(SELECT_ATTEMPT, "invoice_id = ? AND open_slot = 1")).bind(invoice.to_string());
    one(row.fetch_optional(conn).await)
}

/// Lists the attempts of an invoice, oldest first.
pub async fn list_attempts(conn: &mut Conn, invoice: InvoiceId) -> StoreResult<Vec<Attempt>> {
    let rows = sqlx::query_as(sql!(SELECT_ATTEMPT, "invoice_id = ? ORDER BY created_at, id"))
        .bind(invoice.to_string())
        .fetch_all(conn)
        .await?;
    all(rows)
}

/// Finds the attempt that paid an invoice, and locks it. An attempt whose payment is returned did not pay it.
pub async fn lock_paying_attempt(conn: &mut Conn, invoice: InvoiceId) -> StoreResult<Option<Attempt>> {
    let row = sqlx::query_as(sql!(
        SELECT_ATTEMPT,
        "invoice_id = ? AND state = 'paid' AND NOT EXISTS (
             SELECT 1 FROM invoice_refunds r WHERE r.payment_row_id = invoice_payments.id AND r.requested_by = ?)
         ORDER BY created_at, id LIMIT 1 FOR UPDATE"
    ))
    .bind(invoice.to_string())
    .bind(BY_SYSTEM);
    one(row.fetch_optional(conn).await)
}

/// Lists the attempts that may still charge a card.
pub async fn list_attempts_of_card(conn: &mut Conn, card: CardId) -> StoreResult<Vec<Attempt>> {
    let rows = sqlx::query_as(sql!(SELECT_ATTEMPT, "card_id = ? AND open_slot = 1 ORDER BY id"))
        .bind(card.to_string())
        .fetch_all(conn)
        .await?;
    all(rows)
}

/// Lists the attempts that last changed within the period, or were paid before its end and not before `paid_since`, after `after`,
/// for a comparison with the bank.
pub async fn list_attempts_to_compare(
    conn: &mut Conn,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    paid_since: DateTime<Utc>,
    after: Option<InvoicePaymentId>,
    limit: u32,
) -> StoreResult<Vec<Attempt>> {
    let rows = sqlx::query_as(sql!(
        SELECT_ATTEMPT,
        "((updated_at >= ? AND updated_at < ?) OR (paid_at >= ? AND paid_at < ?)) AND id > ?
         ORDER BY id LIMIT ?"
    ))
    .bind(from)
    .bind(until)
    .bind(paid_since)
    .bind(until)
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    all(rows)
}

/// Takes at most `limit` attempts that the bank is to be asked about, and sets the next time, so that a lost job is
/// repeated. Needs no lock.
pub async fn claim_queries(
    conn: &mut Conn,
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InvoicePaymentId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM invoice_payments WHERE query_at <= ? ORDER BY query_at LIMIT ? FOR UPDATE SKIP LOCKED",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut update = sqlx::QueryBuilder::new("UPDATE invoice_payments SET query_at = ");
    update.push_bind(again_at).push(" WHERE id");
    push_in(&mut update, ids.iter().cloned());
    update.build().execute(conn).await?;
    ids.iter().map(|id| super::decode_text("invoice payment id", id)).collect()
}

/// Sets when the bank is asked next. Needs no lock and does not count as a change.
pub async fn set_query_at(
    conn: &mut Conn,
    id: InvoicePaymentId,
    query_at: Option<DateTime<Utc>>,
) -> StoreResult<()> {
    sqlx::query("UPDATE invoice_payments SET query_at = ? WHERE id = ?")
        .bind(query_at)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores the payment that the bank opened, and that `Charge` is about to be sent.
pub async fn begin_charging(
    conn: &mut Conn,
    id: InvoicePaymentId,
    payment_id: &str,
    query_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = 'charging', payment_id = ?, charge_sent_at = ?, query_at = ?,
                updated_at = ?
         WHERE id = ? AND state = 'opening' AND NOT is_withdrawn",
    )
    .bind(payment_id)
    .bind(now)
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Stores the payment that the bank opened, and the URL of its form.
pub async fn open_form(
    conn: &mut Conn,
    id: InvoicePaymentId,
    payment_id: &str,
    url: &str,
    query_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = 'open', payment_id = ?, payment_url = ?, query_at = ?, updated_at = ?
         WHERE id = ? AND state = 'opening' AND NOT is_withdrawn",
    )
    .bind(payment_id)
    .bind(url)
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Stores the bank's number of the payment, if none is known.
pub async fn set_payment_id(conn: &mut Conn, id: InvoicePaymentId, payment_id: &str) -> StoreResult<()> {
    sqlx::query("UPDATE invoice_payments SET payment_id = ? WHERE id = ? AND payment_id IS NULL")
        .bind(payment_id)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores the bank's code of a refusal, before the payment is cancelled.
pub async fn set_error_code(conn: &mut Conn, id: InvoicePaymentId, code: &str) -> StoreResult<()> {
    sqlx::query("UPDATE invoice_payments SET error_code = ? WHERE id = ?")
        .bind(crate::platform::purchases::truncate_ascii(code, MAX_ERROR_CODE_LEN))
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores that `Cancel` of the payment is about to be sent. The attempt stays open until the bank says `CANCELED`.
pub async fn begin_cancelling(
    conn: &mut Conn,
    id: InvoicePaymentId,
    query_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = 'cancelling', query_at = ?, updated_at = ?
         WHERE id = ? AND state IN ('opening', 'open', 'charging', 'cancelling')",
    )
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Marks an attempt whose payer must not pay it any more, and has it asked about at once.
pub async fn mark_withdrawn(conn: &mut Conn, id: InvoicePaymentId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE invoice_payments SET is_withdrawn = TRUE, query_at = ?, updated_at = ? WHERE id = ? AND open_slot = 1",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a status of the payment that does not end the attempt.
pub async fn record_status(
    conn: &mut Conn,
    id: InvoicePaymentId,
    payment_id: &str,
    status: &PaymentStatus,
    query_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET payment_id = ?, bank_status = ?, query_at = ?, updated_at = ? WHERE id = ?",
    )
    .bind(payment_id)
    .bind(crate::platform::purchases::truncate_ascii(status.name(), MAX_STATUS_LEN))
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Ends an attempt as `paid` or `failed` (with the reason), because its payment has this status at the bank.
pub async fn decide_attempt(
    conn: &mut Conn,
    id: InvoicePaymentId,
    (payment_id, status): (&str, &PaymentStatus),
    state: AttemptState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET payment_id = ?, bank_status = ?, state = ?, open_slot = NULL, error_code = ?,
                query_at = NULL, paid_at = IF(? = 'paid', ?, paid_at), updated_at = ?
         WHERE id = ? AND state <> 'paid'",
    )
    .bind(payment_id)
    .bind(crate::platform::purchases::truncate_ascii(status.name(), MAX_STATUS_LEN))
    .bind(state.as_str())
    .bind(error_code.map(|code| crate::platform::purchases::truncate_ascii(code, MAX_ERROR_CODE_LEN)))
    .bind(state.as_str())
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}

/// Ends an attempt as `paid` or `failed` (with the reason).
pub async fn end_attempt(
    conn: &mut Conn,
    id: InvoicePaymentId,
    state: AttemptState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE invoice_payments SET state = ?, open_slot = NULL, error_code = ?, query_at = NULL,
                paid_at = IF(? = 'paid', ?, paid_at), updated_at = ?
         WHERE id = ? AND state <> 'paid'",
    )
    .bind(state.as_str())
    .bind(error_code.map(|code| crate::platform::purchases::truncate_ascii(code, MAX_ERROR_CODE_LEN)))
    .bind(state.as_str())
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice payment")
}
