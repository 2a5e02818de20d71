//! Lists of `transfer_invoices` for jobs.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::transfers::PdfState;

use super::invoices::{SELECT_INVOICE, TransferInvoice, into_invoices};
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

fn into_ids(ids: &[String]) -> StoreResult<Vec<TransferInvoiceId>> {
    ids.iter().map(|id| decode_text("transfer invoice id", id)).collect()
}

/// Lists invoices of before `until` that were not sent to the bank yet and wait in no job of the kind `job`.
pub async fn list_invoices_to_send(
    conn: &mut Conn,
    job: &str,
    until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT t.id FROM transfer_invoices t
         WHERE t.open_slot = 1 AND t.state = 'sending' AND t.sent_at IS NULL AND t.updated_at <= ? AND NOT EXISTS (
             SELECT 1 FROM jobs j WHERE j.kind = ? AND j.waiting_key = t.id)
         ORDER BY t.due_on, t.id LIMIT ?",
    )
    .bind(until)
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_ids(&ids)
}

/// Lists invoices about which the bank is to be asked and that wait in no job of the kind `job`, longest due first.
pub async fn list_to_ask_about(
    conn: &mut Conn,
    job: &str,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT t.id FROM transfer_invoices t WHERE t.query_at <= ? AND NOT EXISTS (
             SELECT 1 FROM jobs j WHERE j.kind = ? AND j.waiting_key = t.id)
         ORDER BY t.query_at LIMIT ?",
    )
    .bind(now)
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_ids(&ids)
}

/// Lists invoices that wait for money although their due day is before `before`, by due day.
pub async fn list_past_due(
    conn: &mut Conn,
    before: NaiveDate,
    limit: u32,
) -> StoreResult<Vec<TransferInvoice>> {
    let rows =
        sqlx::query_as(sql!(SELECT_INVOICE, "open_slot = 1 AND due_on < ? ORDER BY due_on, id LIMIT ?"))
            .bind(before)
            .bind(limit)
            .fetch_all(conn)
            .await?;
    into_invoices(rows)
}

/// Lists invoices that wait for money although their subject was paid otherwise or is void. The invoice of a subscription that
/// ended unpaid does not count as void: its money may still reopen the subscription.
pub async fn list_superseded(conn: &mut Conn, limit: u32) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT t.id FROM transfer_invoices t
         LEFT JOIN subscription_invoices i ON i.id = t.pays_invoice_id
         LEFT JOIN coin_purchases p ON p.id = t.pays_purchase_id
         WHERE t.open_slot = 1
           AND (i.state = 'paid' OR i.state = 'void' AND i.void_reason <> 'expired' OR p.state IN ('paid', 'failed'))
         LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_ids(&ids)
}

/// Lists invoices whose document is in a state and that wait in no job of the kind `job`, longest unchanged first.
pub async fn list_with_pdf_state(
    conn: &mut Conn,
    job: &str,
    state: PdfState,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT t.id FROM transfer_invoices t WHERE t.pdf_state = ? AND NOT EXISTS (
             SELECT 1 FROM jobs j WHERE j.kind = ? AND j.waiting_key = t.id)
         ORDER BY t.updated_at LIMIT ?",
    )
    .bind(state.as_str())
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_ids(&ids)
}

/// Lists invoices after `after`, by id, for re-encryption of their sealed columns under another key.
pub async fn list_sealed_transfer_invoices(
    conn: &mut Conn,
    after: Option<TransferInvoiceId>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoice>> {
    let rows = sqlx::query_as(sql!(SELECT_INVOICE, "id > ? ORDER BY id LIMIT ?"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_invoices(rows)
}
