//! List of the versions of plans.

use sqlx::QueryBuilder;

use super::{OfferFilter, Offered, push_offer_filter, with_codes};
use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::platform::subscriptions::{self, Plan};
use crate::{Conn, StoreResult};

/// Ids of the versions that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &OfferFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM subscription_plans WHERE 1 = 1");
    push_offer_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &OfferFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match column {
            SortColumn::Name => query.push("title AS sort_value FROM subscription_plans"),
            _ => query.push("code AS sort_value FROM subscription_plans"),
        };
        query.push(" WHERE 1 = 1");
        push_offer_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

/// The versions with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Offered<Plan>>> {
    let plans = subscriptions::list_plans_by_ids(conn, ids).await?;
    let plans = arrange(plans, ids, |plan| plan.id.to_string());
    with_codes(conn, plans, |plan| plan.widget_id).await
}
