//! List of invoices that firms pay by bank transfer.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, InvoiceId, TransferInvoiceId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{Inn, InvoiceNumber, TransferInvoiceState};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of transfer invoices; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct TransferInvoiceFilter {
    /// Keeps rows in this state.
    pub state: Option<TransferInvoiceState>,
    /// Keeps rows of this seller.
    pub vendor_id: Option<VendorId>,
    /// INN of the firm.
    pub payer_inn: Option<Inn>,
    /// Number in the seller's series.
    pub number: Option<InvoiceNumber>,
    /// Keeps rows of this install.
    pub install_id: Option<InstallId>,
    /// Invoice of a subscription that it pays.
    pub invoice_id: Option<InvoiceId>,
    /// First day of those on which the invoice is due, Moscow.
    pub due_from: Option<NaiveDate>,
    /// Last of these days.
    pub due_until: Option<NaiveDate>,
}

/// A transfer invoice in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TransferInvoiceRow {
    /// `tin_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: TransferInvoiceId,
    /// Number in the seller's series.
    pub number: i64,
    /// `Sending` and `Issued` wait for money.
    #[sqlx(try_from = "TextColumn")]
    pub state: TransferInvoiceState,
    /// Row of `vendors`: the seller.
    #[sqlx(try_from = "String")]
    pub vendor_id: VendorId,
    /// The seller's code.
    pub vendor_code: String,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// Name of the firm.
    pub payer_name: String,
    /// INN of the firm.
    pub payer_inn: String,
    /// In Russian, as the payer reads it.
    pub title: String,
    amount_kopecks: i64,
    paid_kopecks: i64,
    /// Last day to pay, Moscow.
    pub due_on: NaiveDate,
    /// The bank's last refusal, or one of our codes.
    pub error_code: Option<String>,
    /// When its sum had arrived.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

impl TransferInvoiceRow {
    /// Sum that the firm has to transfer.
    pub fn amount(&self) -> Kopecks {
        Kopecks(self.amount_kopecks)
    }

    /// Sum that has arrived.
    pub fn paid(&self) -> Kopecks {
        Kopecks(self.paid_kopecks)
    }
}

/// Ids of the invoices that match, one page of them.
pub async fn ids(
    conn: &mut Conn,
    filter: &TransferInvoiceFilter,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        TransferInvoiceFilter {
            vendor_id: Some(_),
            payer_inn: None,
            number: None,
            install_id: None,
            invoice_id: None,
            ..
        } => query.push(" FROM transfer_invoices FORCE INDEX (transfer_invoices_vendor)"),
        _ => query.push(" FROM transfer_invoices"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.vendor_id {
        query.push(" AND vendor_id = ").push_bind(id.to_string());
    }
    if let Some(inn) = filter.payer_inn {
        query.push(" AND payer_inn = ").push_bind(inn.to_string());
    }
    if let Some(number) = filter.number {
        query.push(" AND number = ").push_bind(number.get());
    }
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.invoice_id {
        query.push(" AND pays_invoice_id = ").push_bind(id.to_string());
    }
    if let Some(day) = filter.due_from {
        query.push(" AND due_on >= ").push_bind(day);
    }
    if let Some(day) = filter.due_until {
        query.push(" AND due_on <= ").push_bind(day);
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The invoices with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<TransferInvoiceRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT t.id, t.number, t.state, t.vendor_id, v.code AS vendor_code, n.account_id, a.name AS account_name,
                t.payer_name, t.payer_inn, t.title, t.amount_kopecks, t.paid_kopecks, t.due_on, t.error_code, t.paid_at,
                t.created_at
         FROM transfer_invoices t JOIN vendors v ON v.id = t.vendor_id
         JOIN installs n ON n.id = t.install_id
         LEFT JOIN accounts a ON a.platform = n.platform AND a.id = n.account_id WHERE t.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<TransferInvoiceRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
