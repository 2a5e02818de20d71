//! List of operators. There are few, so that the server sorts them by any column.

use flysk_domain::TextEnum as _;
use flysk_domain::admin::OperatorRole;
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::operators::{self, Operator, OperatorState};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::{Conn, StoreResult};

/// Filter of operators; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct OperatorFilter {
    /// Keeps rows of this role.
    pub role: Option<OperatorRole>,
    /// Keeps rows in this state.
    pub state: Option<OperatorState>,
}

/// Ids of the operators that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &OperatorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM operators WHERE 1 = 1");
    push_operator_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &OperatorFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match column {
            SortColumn::Name => query.push("name AS sort_value FROM operators"),
            _ => query.push("login AS sort_value FROM operators"),
        };
        query.push(" WHERE 1 = 1");
        push_operator_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_operator_filter(query: &mut QueryBuilder<MySql>, filter: &OperatorFilter) {
    if let Some(role) = filter.role {
        query.push(" AND role = ").push_bind(role.as_str());
    }
    match filter.state {
        Some(OperatorState::Working) => {
            query.push(" AND disabled_at IS NULL AND totp_confirmed_at IS NOT NULL");
        }
        Some(OperatorState::Enrolling) => {
            query.push(" AND disabled_at IS NULL AND totp_confirmed_at IS NULL");
        }
        Some(OperatorState::Disabled) => {
            query.push(" AND disabled_at IS NOT NULL");
        }
        None => {}
    }
}

/// The operators with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Operator>> {
    Ok(arrange(operators::list_by_ids(conn, ids).await?, ids, |operator| operator.id.to_string()))
}
