//! List of subscriptions' invoices.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, InvoiceId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{InvoiceKind, InvoiceState};
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Filter of invoices; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct InvoiceFilter {
    /// Keeps rows in this state.
    pub state: Option<InvoiceState>,
    /// Keeps invoices of this kind, such as renewals.
    pub kind: Option<InvoiceKind>,
    /// Keeps rows of this subscription.
    pub subscription_id: Option<SubscriptionId>,
    /// Keeps rows of this install.
    pub install_id: Option<InstallId>,
}

impl InvoiceFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { state, kind, subscription_id, install_id } = self;
        let has_others = kind.is_some() || subscription_id.is_some() || install_id.is_some();
        match column {
            SortColumn::Amount => !has_others,
            SortColumn::Paid => !has_others && state.is_none(),
            _ => false,
        }
    }
}

/// Columns of an invoice that the panel's list shows.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InvoiceListRow {
    /// `inv_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InvoiceId,
    /// Row of `subscriptions`; an install has at most one.
    #[sqlx(try_from = "String")]
    pub subscription_id: SubscriptionId,
    kind: String,
    state: String,
    /// In Russian, as the payer reads it.
    pub title: String,
    total_kopecks: i64,
    refunded_kopecks: i64,
    /// First day of the period.
    pub period_from: NaiveDate,
    /// Day after the period.
    pub period_until: NaiveDate,
    /// Code of the last failed charge.
    pub failure_code: Option<String>,
    /// Next automatic charge.
    pub charge_at: Option<DateTime<Utc>>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl InvoiceListRow {
    /// State; `None` if the stored text is unknown to this release.
    pub fn state(&self) -> Option<InvoiceState> {
        self.state.parse().ok()
    }

    /// Kind; `None` if the stored text is unknown to this release.
    pub fn kind(&self) -> Option<InvoiceKind> {
        self.kind.parse().ok()
    }

    /// Amount.
    pub fn total(&self) -> Kopecks {
        Kopecks(self.total_kopecks)
    }

    /// Money refunded or being refunded.
    pub fn refunded(&self) -> Kopecks {
        Kopecks(self.refunded_kopecks)
    }
}

/// Ids of the invoices that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &InvoiceFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Without the name, the servers may read all rows of the value, from the first one on, although the page is in the middle of them.
    match filter {
        InvoiceFilter { subscription_id: Some(_), .. } => query.push(" FROM subscription_invoices"),
        InvoiceFilter { install_id: Some(_), .. } => {
            query.push(" FROM subscription_invoices FORCE INDEX (subscription_invoices_install)")
        }
        InvoiceFilter { kind: Some(_), state: Some(_), .. } => {
            query.push(" FROM subscription_invoices FORCE INDEX (subscription_invoices_kind)")
        }
        InvoiceFilter { kind: Some(_), .. } => {
            query.push(" FROM subscription_invoices FORCE INDEX (subscription_invoices_kind_id)")
        }
        InvoiceFilter { state: Some(_), .. } => {
            query.push(" FROM subscription_invoices FORCE INDEX (subscription_invoices_state)")
        }
        InvoiceFilter { state: None, .. } => query.push(" FROM subscription_invoices"),
    };
    query.push(" WHERE 1 = 1");
    push_invoice_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &InvoiceFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match (column, filter.state) {
            (SortColumn::Paid, _) => query.push(
                "paid_at AS sort_value FROM subscription_invoices FORCE INDEX (subscription_invoices_paid)",
            ),
            (_, Some(_)) => query.push(
                "total_kopecks AS sort_value FROM subscription_invoices FORCE INDEX (subscription_invoices_state_total)",
            ),
            (_, None) => query.push(
                "total_kopecks AS sort_value FROM subscription_invoices FORCE INDEX (subscription_invoices_total)",
            ),
        };
        query.push(" WHERE 1 = 1");
        push_invoice_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_invoice_filter(query: &mut QueryBuilder<MySql>, filter: &InvoiceFilter) {
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some(id) = filter.subscription_id {
        query.push(" AND subscription_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
}

/// The invoices with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<InvoiceListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT id, subscription_id, kind, state, title, total_kopecks, refunded_kopecks, period_from, period_until,
                failure_code, charge_at, paid_at, created_at
         FROM subscription_invoices WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<InvoiceListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
