//! Reads of `transfer_invoices`.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{InstallId, TransferInvoiceId, VendorId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::platform::transfers::{
    Inn, InvoiceNumber, Payer, PaymentSubject, PdfState, TransferInvoiceState,
};

use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// An invoice that a firm pays by transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferInvoice {
    /// `tin_…`, ordered by the time of creation.
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
    /// `Sending` and `Issued` wait for money.
    pub state: TransferInvoiceState,
    /// Requisites that the invoice names.
    pub payer: Payer,
    /// Address that the invoice is sent to, sealed for `transfer_invoices.email:<id>`; empty once erased.
    pub email_sealed: String,
    /// Title of the invoice, in Russian.
    pub title: String,
    /// Purpose that the payer is asked to write.
    pub purpose: String,
    /// Price of what it pays.
    pub total: Kopecks,
    /// The part that was taken from the firm's balance.
    pub from_balance: Kopecks,
    /// The rest, which the firm is asked for.
    pub amount: Kopecks,
    /// Sum that has arrived.
    pub paid: Kopecks,
    /// Rate of the seller when the invoice was requested.
    pub vat: VatRate,
    /// Day of the invoice, Moscow.
    pub issued_on: NaiveDate,
    /// Last day to pay, Moscow.
    pub due_on: NaiveDate,
    /// When it was sent to the bank, whatever came of it.
    pub sent_at: Option<DateTime<Utc>>,
    /// `None` until the bank has answered.
    pub bank_invoice_id: Option<String>,
    /// The bank's last word about it.
    pub bank_status: Option<String>,
    /// The bank's last refusal, or one of our codes.
    pub error_code: Option<String>,
    /// The bank's link to the document, sealed for `transfer_invoices.pdf_url:<id>`.
    pub pdf_url_sealed: Option<String>,
    /// Whether we have the document.
    pub pdf_state: PdfState,
    /// Key of the document in object storage.
    pub pdf_object_key: Option<String>,
    /// When its sum had arrived.
    pub paid_at: Option<DateTime<Utc>>,
    /// Why it ended unpaid.
    pub void_reason: Option<String>,
    /// Requester: `user:<id>` or `operator:<name>`.
    pub requested_by: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl TransferInvoice {
    /// Rest that has not arrived.
    pub fn missing(&self) -> Kopecks {
        Kopecks(self.amount.0.saturating_sub(self.paid.0))
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    vendor_id: String,
    number: i64,
    install_id: String,
    widget_id: String,
    pays_invoice_id: Option<String>,
    pays_purchase_id: Option<String>,
    state: String,
    payer_name: String,
    payer_inn: String,
    payer_kpp: Option<String>,
    email_sealed: String,
    title: String,
    purpose: String,
    total_kopecks: i64,
    balance_kopecks: i64,
    amount_kopecks: i64,
    paid_kopecks: i64,
    vat: String,
    issued_on: NaiveDate,
    due_on: NaiveDate,
    sent_at: Option<DateTime<Utc>>,
    bank_invoice_id: Option<String>,
    bank_status: Option<String>,
    error_code: Option<String>,
    pdf_url_sealed: Option<String>,
    pdf_state: String,
    pdf_object_key: Option<String>,
    paid_at: Option<DateTime<Utc>>,
    void_reason: Option<String>,
    requested_by: String,
    created_at: DateTime<Utc>,
}

impl Row {
    fn subject(&self) -> StoreResult<PaymentSubject> {
        match (&self.pays_invoice_id, &self.pays_purchase_id) {
            (Some(id), _) => Ok(PaymentSubject::Invoice(decode_text("invoice id", id)?)),
            (None, Some(id)) => Ok(PaymentSubject::Purchase(decode_text("purchase id", id)?)),
            (None, None) => {
                Err(StoreError::InvalidRow { what: "transfer invoice", reason: "it pays nothing".to_owned() })
            }
        }
    }
}

impl TryFrom<Row> for TransferInvoice {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let number = InvoiceNumber::written(row.number).ok_or_else(|| StoreError::InvalidRow {
            what: "number of an invoice",
            reason: "its check digit is wrong".to_owned(),
        })?;
        Ok(Self {
            id: decode_text("transfer invoice id", &row.id)?,
            vendor_id: decode_text("vendor id", &row.vendor_id)?,
            number,
            install_id: decode_text("install id", &row.install_id)?,
            widget_id: decode_text("widget id", &row.widget_id)?,
            subject: row.subject()?,
            state: decode_text("transfer invoice state", &row.state)?,
            payer: Payer {
                name: row.payer_name,
                inn: decode_text("INN", &row.payer_inn)?,
                kpp: row.payer_kpp,
            },
            email_sealed: row.email_sealed,
            title: row.title,
            purpose: row.purpose,
            total: Kopecks(row.total_kopecks),
            from_balance: Kopecks(row.balance_kopecks),
            amount: Kopecks(row.amount_kopecks),
            paid: Kopecks(row.paid_kopecks),
            vat: decode_text("VAT rate", &row.vat)?,
            issued_on: row.issued_on,
            due_on: row.due_on,
            sent_at: row.sent_at,
            bank_invoice_id: row.bank_invoice_id,
            bank_status: row.bank_status,
            error_code: row.error_code,
            pdf_url_sealed: row.pdf_url_sealed,
            pdf_state: decode_text("state of a document", &row.pdf_state)?,
            pdf_object_key: row.pdf_object_key,
            paid_at: row.paid_at,
            void_reason: row.void_reason,
            requested_by: row.requested_by,
            created_at: row.created_at,
        })
    }
}

/// Columns of a [`TransferInvoice`].
pub(super) const SELECT_INVOICE: &str =
    "SELECT id, vendor_id, number, install_id, widget_id, pays_invoice_id, pays_purchase_id, state, payer_name,
    payer_inn, payer_kpp, email_sealed, title, purpose, total_kopecks, balance_kopecks, amount_kopecks, paid_kopecks,
    vat, issued_on, due_on, sent_at, bank_invoice_id, bank_status, error_code, pdf_url_sealed, pdf_state,
    pdf_object_key, paid_at, void_reason, requested_by, created_at FROM transfer_invoices WHERE ";

fn into_invoice(row: Option<Row>) -> StoreResult<Option<TransferInvoice>> {
    row.map(TryInto::try_into).transpose()
}

pub(super) fn into_invoices(rows: Vec<Row>) -> StoreResult<Vec<TransferInvoice>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_transfer_invoice(
    conn: &mut Conn,
    id: TransferInvoiceId,
) -> StoreResult<Option<TransferInvoice>> {
    into_invoice(
        sqlx::query_as(sql!(SELECT_INVOICE, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?,
    )
}

/// Reads an invoice and locks its row.
pub async fn lock_transfer_invoice(conn: &mut Conn, id: TransferInvoiceId) -> StoreResult<TransferInvoice> {
    let row = sqlx::query_as(sql!(SELECT_INVOICE, "id = ? FOR UPDATE")).bind(id.to_string());
    into_invoice(row.fetch_optional(conn).await?)?.ok_or(StoreError::WrongState { what: "transfer invoice" })
}

/// Finds a vendor's invoice by its number.
pub async fn find_transfer_invoice_by_number(
    conn: &mut Conn,
    vendor: VendorId,
    number: InvoiceNumber,
) -> StoreResult<Option<TransferInvoice>> {
    let row = sqlx::query_as(sql!(SELECT_INVOICE, "vendor_id = ? AND number = ?"))
        .bind(vendor.to_string())
        .bind(number.get());
    into_invoice(row.fetch_optional(conn).await?)
}

/// Finds the invoice that waits for money for a subject.
pub async fn find_open_transfer_invoice(
    conn: &mut Conn,
    subject: PaymentSubject,
) -> StoreResult<Option<TransferInvoice>> {
    let row = match subject {
        PaymentSubject::Invoice(id) => {
            sqlx::query_as(sql!(SELECT_INVOICE, "pays_invoice_id = ? AND open_slot = 1")).bind(id.to_string())
        }
        PaymentSubject::Purchase(id) => {
            sqlx::query_as(sql!(SELECT_INVOICE, "pays_purchase_id = ? AND open_slot = 1"))
                .bind(id.to_string())
        }
    };
    into_invoice(row.fetch_optional(conn).await?)
}

/// Finds invoices of a firm that wait for exactly this sum; two are enough to know that it is ambiguous.
pub async fn find_waiting_of_firm(
    conn: &mut Conn,
    vendor: VendorId,
    inn: Inn,
    missing: Kopecks,
) -> StoreResult<Vec<TransferInvoice>> {
    let rows = sqlx::query_as(sql!(
        SELECT_INVOICE,
        "vendor_id = ? AND payer_inn = ? AND open_slot = 1 AND amount_kopecks - paid_kopecks = ? LIMIT 2"
    ))
    .bind(vendor.to_string())
    .bind(inn.as_str())
    .bind(missing.0)
    .fetch_all(conn)
    .await?;
    into_invoices(rows)
}

/// Lists an install's invoices older than `before`, newest first.
pub async fn list_transfer_invoices(
    conn: &mut Conn,
    install: InstallId,
    before: Option<TransferInvoiceId>,
    limit: u32,
) -> StoreResult<Vec<TransferInvoice>> {
    // Ids are ordered by time; `~` is above every id and stands for "no bound".
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows = sqlx::query_as(sql!(SELECT_INVOICE, "install_id = ? AND id < ? ORDER BY id DESC LIMIT ?"))
        .bind(install.to_string())
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_invoices(rows)
}
