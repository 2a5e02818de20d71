//! List of attempts to pay invoices of subscriptions.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, InvoiceId, InvoicePaymentId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of payments; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Keeps rows in this state.
    pub state: Option<AttemptState>,
    /// Keeps rows of this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Keeps rows of this install.
    pub install_id: Option<InstallId>,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
}

impl PaymentFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { state: _, invoice_id, install_id, payment_id } = self;
        let has_others = invoice_id.is_some() || install_id.is_some() || payment_id.is_some();
        matches!(column, SortColumn::Amount) && !has_others
    }
}

/// A payment in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PaymentRow {
    /// Id of the attempt; also the bank's order number.
    #[sqlx(try_from = "String")]
    pub id: InvoicePaymentId,
    /// The invoice to pay.
    #[sqlx(try_from = "String")]
    pub invoice_id: InvoiceId,
    /// Title of the invoice.
    pub title: String,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// Way of taking the money.
    #[sqlx(try_from = "TextColumn")]
    pub kind: AttemptKind,
    /// `Paid` and `Failed` are final; `Review` waits for a person.
    #[sqlx(try_from = "TextColumn")]
    pub state: AttemptState,
    amount_kopecks: i64,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// Last known status of the payment.
    pub bank_status: Option<String>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When the money was taken.
    pub paid_at: Option<DateTime<Utc>>,
}

impl PaymentRow {
    /// What the attempt takes, before refunds.
    pub fn amount(&self) -> Kopecks {
        Kopecks(self.amount_kopecks)
    }
}

/// Ids of the payments that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &PaymentFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Without the name, the servers may read all rows of the value, from the first one on, although the page is in the middle of them.
    match filter {
        PaymentFilter { invoice_id: None, payment_id: None, install_id: Some(_), .. } => {
            query.push(" FROM invoice_payments FORCE INDEX (invoice_payments_install)")
        }
        PaymentFilter { invoice_id: None, payment_id: None, state: Some(_), .. } => {
            query.push(" FROM invoice_payments FORCE INDEX (invoice_payments_state)")
        }
        _ => query.push(" FROM invoice_payments"),
    };
    query.push(" WHERE 1 = 1");
    push_payment_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &PaymentFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match filter.state {
            Some(_) => query.push(
                "amount_kopecks AS sort_value FROM invoice_payments FORCE INDEX (invoice_payments_state_amount)",
            ),
            None => query
                .push("amount_kopecks AS sort_value FROM invoice_payments FORCE INDEX (invoice_payments_amount)"),
        };
        query.push(" WHERE 1 = 1");
        push_payment_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_payment_filter(query: &mut QueryBuilder<MySql>, filter: &PaymentFilter) {
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.invoice_id {
        query.push(" AND invoice_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
    if let Some(id) = &filter.payment_id {
        query.push(" AND payment_id = ").push_bind(id.clone());
    }
}

/// The payments with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PaymentRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT p.id, p.invoice_id, i.title, n.account_id, a.name AS account_name, p.kind, p.state, p.amount_kopecks,
                p.payment_id, p.bank_status, p.error_code, p.created_at, p.paid_at
         FROM invoice_payments p STRAIGHT_JOIN subscription_invoices i ON i.id = p.invoice_id
         STRAIGHT_JOIN installs n ON n.id = p.install_id
         LEFT JOIN accounts a ON a.platform = n.platform AND a.id = n.account_id WHERE p.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<PaymentRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
