//! List of widgets. There are few, so that the server sorts them by any column.

use flysk_domain::TextEnum as _;
use flysk_domain::id::{VendorId, WidgetId};
use flysk_domain::platform::crm::Crm;
use sqlx::{MySql, QueryBuilder};

use super::accounts::prefix;
use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::platform::widgets::{self, Widget};
use crate::{Conn, StoreResult};

/// Filter of widgets; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct WidgetFilter {
    /// Keeps rows of this seller.
    pub vendor_id: Option<VendorId>,
    /// Beginning of the name.
    pub name: Option<String>,
    /// Service that the widget is registered in.
    pub crm: Option<Crm>,
    /// Whether use is paid in Flycoins.
    pub uses_flycoins: bool,
    /// Whether access is sold by subscription.
    pub uses_subscriptions: bool,
}

/// Ids of the widgets that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &WidgetFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM widgets WHERE 1 = 1");
    push_widget_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &WidgetFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match column {
            SortColumn::Name => query.push("name AS sort_value FROM widgets"),
            _ => query.push("code AS sort_value FROM widgets"),
        };
        query.push(" WHERE 1 = 1");
        push_widget_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_widget_filter(query: &mut QueryBuilder<MySql>, filter: &WidgetFilter) {
    if let Some(id) = filter.vendor_id {
        query.push(" AND vendor_id = ").push_bind(id.to_string());
    }
    if let Some(name) = &filter.name {
        query.push(" AND name LIKE ").push_bind(prefix(name));
    }
    if let Some(crm) = filter.crm {
        query.push(" AND platform = ").push_bind(crm.as_str());
    }
    if filter.uses_flycoins {
        query.push(" AND uses_flycoins = TRUE");
    }
    if filter.uses_subscriptions {
        query.push(" AND uses_subscriptions = TRUE");
    }
}

/// The widgets with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Widget>> {
    let listed: Vec<WidgetId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    Ok(arrange(widgets::list_by_ids(conn, &listed).await?, ids, |widget| widget.id.to_string()))
}
