//! List of subscriptions' invoices.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, InvoiceId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{InvoiceKind, InvoiceState};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
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

/// Ids of the invoices that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &InvoiceFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM subscription_invoices");
    if filter.kind.is_some() && filter.state.is_some() {
        // MySQL reads all invoices of the state otherwise.
        query.push(" FORCE INDEX (subscription_invoices_kind)");
    }
    query.push(" WHERE 1 = 1");
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
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The invoices with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<InvoiceListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, subscription_id, kind, state, title, total_kopecks, refunded_kopecks, period_from, period_until,
                failure_code, charge_at, paid_at, created_at
         FROM subscription_invoices WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<InvoiceListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
