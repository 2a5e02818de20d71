//! List of vendors. There are few, so that the server sorts them by any column.

use sqlx::{MySql, QueryBuilder};

use super::accounts::prefix;
use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::platform::vendors::{self, Vendor};
use crate::{Conn, StoreResult};

/// Filter of vendors; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct VendorFilter {
    /// Beginning of the legal name.
    pub name: Option<String>,
    /// Taxpayer number. It is ASCII, as the column is.
    pub inn: Option<String>,
    /// Whether the vendor has a terminal of its own.
    pub has_terminal: bool,
}

/// Ids of the vendors that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &VendorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM vendors WHERE 1 = 1");
    push_vendor_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &VendorFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match column {
            SortColumn::Name => query.push("legal_name AS sort_value FROM vendors"),
            _ => query.push("code AS sort_value FROM vendors"),
        };
        query.push(" WHERE 1 = 1");
        push_vendor_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_vendor_filter(query: &mut QueryBuilder<MySql>, filter: &VendorFilter) {
    if let Some(name) = &filter.name {
        query.push(" AND legal_name LIKE ").push_bind(prefix(name));
    }
    if let Some(inn) = &filter.inn {
        query.push(" AND inn = ").push_bind(inn.clone());
    }
    if filter.has_terminal {
        query.push(" AND terminal_key IS NOT NULL");
    }
}

/// The vendors with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Vendor>> {
    Ok(arrange(vendors::list_vendors_by_ids(conn, ids).await?, ids, |vendor| vendor.id.to_string()))
}
