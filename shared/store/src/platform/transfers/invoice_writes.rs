//! Writes of `transfer_invoices` and `transfer_invoice_numbers`.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, TransferInvoiceId, VendorId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::platform::transfers::{
    InvoiceNumber, Payer, PaymentSubject, PdfState, TransferInvoiceState,
};

use super::invoices::TransferInvoice;
use crate::error::expect_one;
use crate::platform::purchases::truncate_ascii;
use crate::{Conn, StoreResult};

/// Width of the column of the bank's error code, in characters.
const MAX_ERROR_CODE_LEN: usize = 64;
/// Width of the column of the bank's status, in characters.
const MAX_STATUS_LEN: usize = 16;

/// An invoice to be inserted.
#[derive(Debug)]
pub struct NewTransferInvoiceRow<'a> {
    /// `tin_…`, chosen by the caller.
    pub id: TransferInvoiceId,
    /// Row of `vendors`: the seller, whose series the number belongs to.
    pub vendor_id: VendorId,
    /// Number in the seller's series.
    pub number: InvoiceNumber,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Subject that the invoice pays.
    pub subject: PaymentSubject,
    /// Requisites that the invoice names.
    pub payer: &'a Payer,
    /// Address that the invoice is sent to, sealed for `transfer_invoices.email:<id>`.
    pub email_sealed: &'a str,
    /// Keyed hash of the address ([`crate::contact_hashes`]).
    pub email_hash: &'a [u8],
    /// Title of the invoice, in Russian; at most 200 characters.
    pub title: &'a str,
    /// Purpose that the payer is asked to write; at most 210 characters.
    pub purpose: &'a str,
    /// Price of what it pays.
    pub total: Kopecks,
    /// The part that was taken from the firm's balance.
    pub from_balance: Kopecks,
    /// The rest.
    pub amount: Kopecks,
    /// Rate of the seller when the invoice was requested.
    pub vat: VatRate,
    /// Day of the invoice, Moscow.
    pub issued_on: NaiveDate,
    /// Last day to pay, Moscow.
    pub due_on: NaiveDate,
    /// Requester of the invoice; at most 80 characters.
    pub requested_by: &'a str,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Takes the next serial of a vendor. The row stays locked until the transaction ends, so that serials are unique.
pub async fn take_serial(conn: &mut Conn, vendor: VendorId, now: DateTime<Utc>) -> StoreResult<i64> {
    sqlx::query(
        "INSERT INTO transfer_invoice_numbers (vendor_id, last_serial, updated_at) VALUES (?, 1, ?)
         ON DUPLICATE KEY UPDATE last_serial = last_serial + 1, updated_at = VALUES(updated_at)",
    )
    .bind(vendor.to_string())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar("SELECT last_serial FROM transfer_invoice_numbers WHERE vendor_id = ?")
        .bind(vendor.to_string())
        .fetch_one(conn)
        .await?)
}

/// Inserts an invoice that waits for money. [`crate::StoreError::Duplicate`] on `transfer_invoices_open_invoice` or
/// `transfer_invoices_open_purchase`: another one waits for the same subject.
pub async fn insert_transfer_invoice(conn: &mut Conn, new: &NewTransferInvoiceRow<'_>) -> StoreResult<()> {
    let (invoice, purchase) = match new.subject {
        PaymentSubject::Invoice(id) => (Some(id.to_string()), None),
        PaymentSubject::Purchase(id) => (None, Some(id.to_string())),
    };
    sqlx::query(
        "INSERT INTO transfer_invoices (id, vendor_id, number, install_id, widget_id, pays_invoice_id, pays_purchase_id,
             open_slot, state, payer_name, payer_inn, payer_kpp, email_sealed, email_hash, title, purpose,
             total_kopecks, balance_kopecks, amount_kopecks, vat, issued_on, due_on, requested_by, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 1, 'sending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.vendor_id.to_string())
    .bind(new.number.get())
    .bind(new.install_id.to_string())
    .bind(new.widget_id.to_string())
    .bind(invoice)
    .bind(purchase)
    .bind(&new.payer.name)
    .bind(new.payer.inn.as_str())
    .bind(&new.payer.kpp)
    .bind(new.email_sealed)
    .bind(new.email_hash)
    .bind(new.title)
    .bind(new.purpose)
    .bind(new.total.0)
    .bind(new.from_balance.0)
    .bind(new.amount.0)
    .bind(new.vat.as_str())
    .bind(new.issued_on)
    .bind(new.due_on)
    .bind(new.requested_by)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records, before the request, that an invoice is sent to the bank; `false` if it was sent before or ended.
pub async fn begin_sending(conn: &mut Conn, id: TransferInvoiceId, now: DateTime<Utc>) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET sent_at = ?, updated_at = ?
         WHERE id = ? AND state = 'sending' AND sent_at IS NULL",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Records that the bank certainly did not take an invoice: it may be sent again.
pub async fn record_refused_sending(
    conn: &mut Conn,
    id: TransferInvoiceId,
    error_code: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transfer_invoices SET sent_at = NULL, error_code = ?, updated_at = ?
         WHERE id = ? AND state = 'sending' AND bank_invoice_id IS NULL",
    )
    .bind(truncate_ascii(error_code, MAX_ERROR_CODE_LEN))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that the bank's answer is unknown or final: the invoice is not sent again and its document is ours.
pub async fn record_sending_error(
    conn: &mut Conn,
    id: TransferInvoiceId,
    error_code: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transfer_invoices SET state = CASE WHEN state = 'sending' THEN 'issued' ELSE state END,
             pdf_state = CASE WHEN pdf_state = 'none' THEN 'lost' ELSE pdf_state END, error_code = ?, updated_at = ?
         WHERE id = ? AND bank_invoice_id IS NULL",
    )
    .bind(truncate_ascii(error_code, MAX_ERROR_CODE_LEN))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that the bank has an invoice. One that was paid or ended meanwhile keeps its state.
pub async fn mark_issued(
    conn: &mut Conn,
    id: TransferInvoiceId,
    (bank_invoice_id, pdf_url_sealed): (&str, &str),
    query_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET state = CASE WHEN state = 'sending' THEN 'issued' ELSE state END,
             query_at = CASE WHEN open_slot = 1 THEN ? ELSE NULL END,
             bank_invoice_id = ?, pdf_url_sealed = ?, pdf_state = 'wanted', error_code = NULL, updated_at = ?
         WHERE id = ? AND bank_invoice_id IS NULL",
    )
    .bind(query_at)
    .bind(bank_invoice_id)
    .bind(pdf_url_sealed)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Records the bank's word about an invoice, and when it is asked again.
pub async fn record_bank_status(
    conn: &mut Conn,
    id: TransferInvoiceId,
    status: Option<&str>,
    query_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transfer_invoices SET bank_status = COALESCE(?, bank_status), query_at = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(status.map(|status| truncate_ascii(status, MAX_STATUS_LEN)))
    .bind(query_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes what arrived of an invoice. The statement also compares the former amount.
pub async fn set_paid_kopecks(
    conn: &mut Conn,
    id: TransferInvoiceId,
    from: Kopecks,
    to: Kopecks,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET paid_kopecks = ?, updated_at = ? WHERE id = ? AND paid_kopecks = ?",
    )
    .bind(to.0)
    .bind(now)
    .bind(id.to_string())
    .bind(from.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Lowers what a waiting invoice asks for to what has arrived: the firm's balance pays the rest. The statement also compares both
/// former amounts.
pub async fn cover_invoice(conn: &mut Conn, read: &TransferInvoice, now: DateTime<Utc>) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET balance_kopecks = ?, amount_kopecks = ?, updated_at = ?
         WHERE id = ? AND open_slot = 1 AND amount_kopecks = ? AND paid_kopecks = ?",
    )
    .bind(read.from_balance.0 + read.missing().0)
    .bind(read.paid.0)
    .bind(now)
    .bind(read.id.to_string())
    .bind(read.amount.0)
    .bind(read.paid.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Marks an invoice as paid, once, in the transaction that grants what it pays.
pub async fn mark_transfer_paid(
    conn: &mut Conn,
    id: TransferInvoiceId,
    paid_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET state = 'paid', open_slot = NULL, query_at = NULL, paid_at = ?, updated_at = ?
         WHERE id = ? AND state <> 'paid' AND paid_kopecks = amount_kopecks",
    )
    .bind(paid_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Ends an unpaid invoice; what arrived of it is with the firm's balance. Compares the state and what had arrived.
pub async fn mark_transfer_ended(
    conn: &mut Conn,
    (id, from, paid): (TransferInvoiceId, TransferInvoiceState, Kopecks),
    (to, reason): (TransferInvoiceState, &str),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET state = ?, void_reason = ?, open_slot = NULL, query_at = NULL, paid_kopecks = 0,
             updated_at = ?
         WHERE id = ? AND state = ? AND paid_kopecks = ?",
    )
    .bind(to.as_str())
    .bind(reason)
    .bind(now)
    .bind(id.to_string())
    .bind(from.as_str())
    .bind(paid.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Records where the document of an invoice is. The bank's link is forgotten once it is not wanted any more.
pub async fn set_transfer_pdf(
    conn: &mut Conn,
    id: TransferInvoiceId,
    state: PdfState,
    object_key: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET pdf_state = ?, pdf_object_key = COALESCE(?, pdf_object_key),
             pdf_url_sealed = CASE WHEN ? = 'wanted' THEN pdf_url_sealed ELSE NULL END, updated_at = ?
         WHERE id = ?",
    )
    .bind(state.as_str())
    .bind(object_key)
    .bind(state.as_str())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "transfer invoice")
}

/// Replaces the sealed e-mail address and its hash, unless it changed since it was read.
pub async fn reseal_transfer_email(
    conn: &mut Conn,
    id: TransferInvoiceId,
    read: &str,
    (sealed, hash): (&str, &[u8]),
) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE transfer_invoices SET email_sealed = ?, email_hash = ? WHERE id = ? AND email_sealed = ?",
    )
    .bind(sealed)
    .bind(hash)
    .bind(id.to_string())
    .bind(read)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Replaces the sealed link to the document, unless it changed since it was read.
pub async fn reseal_transfer_link(
    conn: &mut Conn,
    id: TransferInvoiceId,
    read: &str,
    sealed: &str,
) -> StoreResult<bool> {
    let updated =
        sqlx::query("UPDATE transfer_invoices SET pdf_url_sealed = ? WHERE id = ? AND pdf_url_sealed = ?")
            .bind(sealed)
            .bind(id.to_string())
            .bind(read)
            .execute(conn)
            .await?;
    Ok(updated.rows_affected() == 1)
}
