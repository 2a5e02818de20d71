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

/// Lists invoices of before `until` that were not sent to the bank yet.
pub async fn list_invoices_to_send(
    conn: &mut Conn,
    until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM transfer_invoices
         WHERE open_slot = 1 AND state = 'sending' AND sent_at IS NULL AND updated_at <= ?
         ORDER BY due_on, id LIMIT ?",
    )
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_ids(&ids)
}

/// Lists invoices about which the bank is to be asked, longest due first.
pub async fn list_to_ask_about(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM transfer_invoices WHERE query_at <= ? ORDER BY query_at LIMIT ?")
            .bind(now)
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

/// Lists invoices whose document is in a state, longest unchanged first.
pub async fn list_with_pdf_state(
    conn: &mut Conn,
    state: PdfState,
    limit: u32,
) -> StoreResult<Vec<TransferInvoice>> {
    let rows = sqlx::query_as(sql!(SELECT_INVOICE, "pdf_state = ? ORDER BY updated_at LIMIT ?"))
        .bind(state.as_str())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_invoices(rows)
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
