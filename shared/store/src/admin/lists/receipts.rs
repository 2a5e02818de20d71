//! List of closing receipts (54-FZ) of subscriptions' invoices.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InvoiceId, InvoicePaymentId, ReceiptId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::day_start;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::platform::invoice_payments::ReceiptState;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of receipts; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct ReceiptFilter {
    /// Keeps rows in this state.
    pub state: Option<ReceiptState>,
    /// Keeps rows of this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Only those that the bank refused and that are sent again.
    pub is_refused: bool,
}

/// A receipt in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ReceiptRow {
    /// `rcp_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: ReceiptId,
    /// The prepaid invoice.
    #[sqlx(try_from = "String")]
    pub invoice_id: InvoiceId,
    /// Title of the invoice.
    pub title: String,
    /// The attempt that paid it.
    #[sqlx(try_from = "String")]
    pub payment_row_id: InvoicePaymentId,
    amount_kopecks: i64,
    period_until: NaiveDate,
    due_at: DateTime<Utc>,
    /// `Unclear` waits for a person.
    #[sqlx(try_from = "TextColumn")]
    pub state: ReceiptState,
    refused_at: Option<DateTime<Utc>>,
    /// The bank's code of a refusal.
    pub error_code: Option<String>,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl ReceiptRow {
    /// Amount of the payment.
    pub fn amount(&self) -> Kopecks {
        Kopecks(self.amount_kopecks)
    }

    /// Whether the bank refused it, and it waits to be sent again.
    pub fn is_refused(&self) -> bool {
        self.state == ReceiptState::Waiting && self.refused_at.is_some()
    }

    /// When it is sent: at the end of the period, or, after a refusal, next time. Each attempt moves the time that is stored.
    pub fn send_at(&self) -> DateTime<Utc> {
        if self.is_refused() { self.due_at } else { day_start(self.period_until) }
    }
}

/// Ids of the receipts that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &ReceiptFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM invoice_receipts");
    if filter.is_refused {
        // Most receipts wait for the end of their period.
        query.push(" FORCE INDEX (invoice_receipts_refused)");
    }
    query.push(" WHERE 1 = 1");
    if filter.is_refused {
        query.push(" AND state = 'waiting' AND refused_at IS NOT NULL");
    }
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.invoice_id {
        query.push(" AND invoice_id = ").push_bind(id.to_string());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The receipts with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<ReceiptRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT r.id, r.invoice_id, i.title, r.payment_row_id, p.amount_kopecks, i.period_until, r.due_at,
                r.state, r.refused_at, r.error_code, r.created_at, r.updated_at
         FROM invoice_receipts r STRAIGHT_JOIN subscription_invoices i ON i.id = r.invoice_id
         STRAIGHT_JOIN invoice_payments p ON p.id = r.payment_row_id WHERE r.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<ReceiptRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
