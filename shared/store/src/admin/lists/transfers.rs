//! List of the bank operations that wait for a person.

use flysk_domain::TextEnum as _;
use flysk_domain::id::VendorId;
use flysk_domain::platform::transfers::{Inn, QueueReason};
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::platform::transfers::{self, BankOperation};
use crate::{Conn, StoreResult};

/// Filter of waiting operations; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct QueuedOperationFilter {
    /// Keeps rows of this vendor, who owns the account.
    pub vendor_id: Option<VendorId>,
    /// INN of the payer.
    pub payer_inn: Option<Inn>,
    /// Why a person has to decide.
    pub reason: Option<QueueReason>,
}

/// Ids of the operations that match, one page of them; their keys if the list is sorted. People decide about each, so that few wait, and
/// the server sorts them.
pub async fn ids(
    conn: &mut Conn,
    filter: &QueuedOperationFilter,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers may read all operations of a vendor or a payer.
    query.push(" FROM bank_operations FORCE INDEX (bank_operations_state) WHERE state = 'queued'");
    push_queued_operation_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &QueuedOperationFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        query.push(
            "amount_kopecks AS sort_value FROM bank_operations FORCE INDEX (bank_operations_state) WHERE state = 'queued'",
        );
        push_queued_operation_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_queued_operation_filter(query: &mut QueryBuilder<MySql>, filter: &QueuedOperationFilter) {
    if let Some(id) = filter.vendor_id {
        query.push(" AND vendor_id = ").push_bind(id.to_string());
    }
    if let Some(inn) = filter.payer_inn {
        query.push(" AND payer_inn = ").push_bind(inn.to_string());
    }
    if let Some(reason) = filter.reason {
        query.push(" AND queue_reason = ").push_bind(reason.as_str());
    }
}

/// The operations with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BankOperation>> {
    let operations = transfers::list_operations_by_ids(conn, ids).await?;
    Ok(arrange(operations, ids, |operation| operation.id.to_string()))
}
