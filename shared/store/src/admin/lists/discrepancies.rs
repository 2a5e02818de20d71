//! List of differences between T-Bank's data and the purchases.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::DiscrepancyId;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Filter of discrepancies; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct DiscrepancyFilter {
    /// The compared day.
    pub day: Option<NaiveDate>,
    /// Kind of the difference.
    pub kind: Option<String>,
}

/// A discrepancy in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DiscrepancyRow {
    /// `dsc_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: DiscrepancyId,
    /// The compared day.
    pub day: NaiveDate,
    /// Kind of the difference.
    pub kind: String,
    /// T-Bank's `OrderId`.
    pub order_id: String,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// The purchase, if there is one.
    pub purchase_id: Option<String>,
    /// Value in our records.
    pub ours: String,
    /// Value in the bank's records.
    pub banks: String,
    /// When it was found.
    pub found_at: DateTime<Utc>,
}

/// Ids of the discrepancies that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &DiscrepancyFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Without the name, the servers may read all rows of the value, from the first one on, although the page is in the middle of them.
    match filter {
        DiscrepancyFilter { day: Some(_), .. } => {
            query.push(" FROM tbank_discrepancies FORCE INDEX (tbank_discrepancies_day)")
        }
        DiscrepancyFilter { kind: Some(_), .. } => {
            query.push(" FROM tbank_discrepancies FORCE INDEX (tbank_discrepancies_kind)")
        }
        DiscrepancyFilter { kind: None, .. } => query.push(" FROM tbank_discrepancies"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(day) = filter.day {
        query.push(" AND day = ").push_bind(day);
    }
    if let Some(kind) = &filter.kind {
        query.push(" AND kind = ").push_bind(kind.clone());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The discrepancies with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<DiscrepancyRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, day, kind, order_id, payment_id, purchase_id, ours, banks, found_at FROM tbank_discrepancies WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<DiscrepancyRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
