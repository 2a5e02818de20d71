//! List of the errors that the API answered, by their numbers.

use flysk_domain::id::WidgetId;

use crate::admin::listing::{Keyset, arrange};
use crate::listed::push_in;
use crate::portal::api_calls::{
    ERROR_COLUMNS, ErrorFilter, LoggedError, push_error_filter, push_error_index,
};
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Filter of errors. Each has an index with its rows in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiErrorFilter {
    /// Keeps every error of every widget.
    All,
    /// The errors of the request with this `X-Request-Id`, whatever the widget. It is ASCII, as the column is.
    Request(String),
    /// Errors of one widget.
    OfWidget(WidgetId, ErrorFilter),
}

/// Numbers of the errors that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &ApiErrorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    if keyset.counts {
        query.push("CAST(COUNT(*) AS CHAR) FROM (SELECT 1 FROM api_call_errors");
    } else {
        query.push("CAST(id AS CHAR) FROM api_call_errors");
    }
    match filter {
        ApiErrorFilter::All => {
            query.push(" WHERE 1 = 1");
        }
        ApiErrorFilter::Request(request) => {
            query.push(" FORCE INDEX (api_call_errors_request_id) WHERE request_id = ");
            query.push_bind(request.clone());
        }
        ApiErrorFilter::OfWidget(widget, by) => {
            query.push(" FORCE INDEX (");
            push_error_index(&mut query, by);
            query.push(") WHERE widget_id = ").push_bind(widget.to_string());
            push_error_filter(&mut query, by);
        }
    }
    let edge: u64 = keyset.from.parse().unwrap_or(if keyset.descending { u64::MAX } else { 0 });
    match (keyset.counts, keyset.descending) {
        (true, _) => query.push(" LIMIT ").push_bind(keyset.limit).push(") counted"),
        (false, true) => {
            query.push(" AND id < ").push_bind(edge).push(" ORDER BY id DESC LIMIT ").push_bind(keyset.limit)
        }
        (false, false) => {
            query.push(" AND id > ").push_bind(edge).push(" ORDER BY id LIMIT ").push_bind(keyset.limit)
        }
    };
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The errors with these numbers, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<LoggedError>> {
    let numbers: Vec<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!("SELECT ", ERROR_COLUMNS, " FROM api_call_errors WHERE id"));
    push_in(&mut query, numbers);
    let rows: Vec<LoggedError> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
