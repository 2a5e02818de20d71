//! List of invoices that firms pay by bank transfer.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, InvoiceId, TransferInvoiceId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{Inn, InvoiceNumber, TransferInvoiceState};
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
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

impl TransferInvoiceFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { state: _, vendor_id, payer_inn, number, install_id, invoice_id, due_from, due_until } =
            self;
        let has_days = due_from.is_some() || due_until.is_some();
        let has_others = vendor_id.is_some()
            || payer_inn.is_some()
            || number.is_some()
            || install_id.is_some()
            || invoice_id.is_some();
        match column {
            SortColumn::Due => !has_others,
            SortColumn::Amount => !has_others && !has_days,
            _ => false,
        }
    }
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

/// Ids of the invoices that match, one page of them; their keys if the list is sorted.
pub async fn ids(
    conn: &mut Conn,
    filter: &TransferInvoiceFilter,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Without the name, the servers may read all rows of the value, from the first one on, although the page is in the middle of them.
    match filter {
        TransferInvoiceFilter { number: None, invoice_id: None, install_id: Some(_), .. } => {
            query.push(" FROM transfer_invoices FORCE INDEX (transfer_invoices_install)")
        }
        TransferInvoiceFilter { number: None, invoice_id: None, payer_inn: Some(_), .. } => {
            query.push(" FROM transfer_invoices FORCE INDEX (transfer_invoices_payer)")
        }
        TransferInvoiceFilter { number: None, invoice_id: None, vendor_id: Some(_), .. } => {
            query.push(" FROM transfer_invoices FORCE INDEX (transfer_invoices_vendor)")
        }
        _ => query.push(" FROM transfer_invoices"),
    };
    query.push(" WHERE 1 = 1");
    push_transfer_invoice_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &TransferInvoiceFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match (column, filter.state) {
            (SortColumn::Due, Some(_)) => query
                .push("due_on AS sort_value FROM transfer_invoices FORCE INDEX (transfer_invoices_state_due)"),
            (SortColumn::Due, None) => {
                query.push("due_on AS sort_value FROM transfer_invoices FORCE INDEX (transfer_invoices_by_due)")
            }
            (_, Some(_)) => query.push(
                "amount_kopecks AS sort_value FROM transfer_invoices FORCE INDEX (transfer_invoices_state_amount)",
            ),
            (_, None) => query
                .push("amount_kopecks AS sort_value FROM transfer_invoices FORCE INDEX (transfer_invoices_amount)"),
        };
        query.push(" WHERE 1 = 1");
        push_transfer_invoice_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_transfer_invoice_filter(query: &mut QueryBuilder<MySql>, filter: &TransferInvoiceFilter) {
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
}

/// The invoices with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<TransferInvoiceRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT t.id, t.number, t.state, t.vendor_id, v.code AS vendor_code, n.account_id, a.name AS account_name,
                t.payer_name, t.payer_inn, t.title, t.amount_kopecks, t.paid_kopecks, t.due_on, t.error_code, t.paid_at,
                t.created_at
         FROM transfer_invoices t STRAIGHT_JOIN vendors v ON v.id = t.vendor_id
         STRAIGHT_JOIN installs n ON n.id = t.install_id
         LEFT JOIN accounts a ON a.platform = n.platform AND a.id = n.account_id WHERE t.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<TransferInvoiceRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
