//! Tables `api_call_counts` and `api_call_errors`: what the API answered to a vendor's widgets. Operators list the errors by
//! [`crate::admin::lists::api_errors`].
//!
//! API processes count in memory and add what they have counted every few seconds, for all widgets in a few statements.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{VendorId, WidgetId};

use crate::listed::in_few_lengths;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Maximum length of a stored description, in characters.
const MAX_DETAIL_LEN: usize = 500;

/// Calls of an operation with one class of status on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// The day, UTC.
    pub day: NaiveDate,
    /// Id of the operation in the OpenAPI document.
    pub operation: &'static str,
    /// First digit of the status.
    pub status_class: u8,
    /// Number of calls.
    pub calls: u64,
}

/// An error that the API answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// When it was answered.
    pub happened_at: DateTime<Utc>,
    /// Id of the operation in the OpenAPI document.
    pub operation: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Code of the problem.
    pub code: String,
    /// Description of the problem.
    pub detail: String,
    /// `X-Request-Id` of the answer.
    pub request_id: String,
}

/// Adds calls to those counted before.
pub async fn add_counts(conn: &mut Conn, counts: &[CallCount]) -> StoreResult<()> {
    for batch in in_few_lengths(counts) {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO api_call_counts (widget_id, day, operation, status_class, calls) ",
        );
        query.push_values(batch, |mut row, count| {
            row.push_bind(count.widget_id.to_string())
                .push_bind(count.day)
                .push_bind(count.operation)
                .push_bind(count.status_class)
                .push_bind(count.calls);
        });
        query.push(" ON DUPLICATE KEY UPDATE calls = calls + VALUES(calls)");
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Stores errors in few statements; details that are too long are cut.
pub async fn insert_errors(conn: &mut Conn, errors: &[CallError]) -> StoreResult<()> {
    let cut = |text: &str| text.chars().take(MAX_DETAIL_LEN).collect::<String>();
    for batch in in_few_lengths(errors) {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO api_call_errors (widget_id, happened_at, operation, status, code, detail, request_id) ",
        );
        query.push_values(batch, |mut row, error| {
            row.push_bind(error.widget_id.to_string())
                .push_bind(error.happened_at)
                .push_bind(error.operation)
                .push_bind(error.status)
                .push_bind(error.code.clone())
                .push_bind(cut(&error.detail))
                .push_bind(error.request_id.clone());
        });
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Calls of an operation on a day by class of status, as a vendor sees them.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DayCalls {
    /// The day, UTC.
    pub day: NaiveDate,
    /// Id of the operation in the OpenAPI document.
    pub operation: String,
    /// Calls with success.
    pub good: u64,
    /// Calls that the API refused (4xx).
    pub refused: u64,
    /// Calls that failed in the API (5xx).
    pub failed: u64,
}

/// Lists the calls of a vendor's widget since a day, newest day first, by operation.
pub async fn list_days(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
    since: NaiveDate,
) -> StoreResult<Vec<DayCalls>> {
    Ok(sqlx::query_as(
        "SELECT c.day, c.operation,
                CAST(SUM(IF(c.status_class <= 3, c.calls, 0)) AS UNSIGNED) AS good,
                CAST(SUM(IF(c.status_class = 4, c.calls, 0)) AS UNSIGNED) AS refused,
                CAST(SUM(IF(c.status_class >= 5, c.calls, 0)) AS UNSIGNED) AS failed
         FROM widgets w JOIN api_call_counts c ON c.widget_id = w.id
         WHERE w.id = ? AND w.vendor_id = ? AND c.day >= ?
         GROUP BY c.day, c.operation ORDER BY c.day DESC, c.operation",
    )
    .bind(widget.to_string())
    .bind(vendor.to_string())
    .bind(since)
    .fetch_all(conn)
    .await?)
}

/// Selection of a widget's errors for a page. Words are ASCII, as the columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorFilter {
    /// Keeps every error.
    All,
    /// Keeps errors of the operation with this id.
    Operation(String),
    /// Errors with this HTTP status.
    Status(u16),
    /// Errors with this code of a problem.
    Code(String),
    /// The errors of the request with this `X-Request-Id`.
    Request(String),
}

/// A page of the log, newest first.
#[derive(Debug)]
pub struct ErrorPage {
    /// The newest ones that match, newest first.
    pub errors: Vec<LoggedError>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// An error as its vendor and operators see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LoggedError {
    /// Number of the row.
    pub id: u64,
    /// The widget that made the call.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// When it was answered.
    pub happened_at: DateTime<Utc>,
    /// Id of the operation in the OpenAPI document.
    pub operation: String,
    /// The HTTP status.
    pub status: u16,
    /// Code of the problem.
    pub code: String,
    /// Description of the problem.
    pub detail: String,
    /// `X-Request-Id` of the answer.
    pub request_id: String,
}

/// Columns of [`LoggedError`].
pub(crate) const ERROR_COLUMNS: &str =
    "id, widget_id, happened_at, operation, status, code, detail, request_id";

/// Pushes the index that has the errors of a widget in the order of a page: those of the filter, and no others.
pub(crate) fn push_error_index(query: &mut sqlx::QueryBuilder<sqlx::MySql>, filter: &ErrorFilter) {
    match filter {
        ErrorFilter::All => query.push("api_call_errors_widget"),
        ErrorFilter::Operation(_) => query.push("api_call_errors_operation"),
        ErrorFilter::Status(_) => query.push("api_call_errors_status"),
        ErrorFilter::Code(_) => query.push("api_call_errors_code"),
        ErrorFilter::Request(_) => query.push("api_call_errors_request"),
    };
}

/// Pushes the condition of the filter.
pub(crate) fn push_error_filter(query: &mut sqlx::QueryBuilder<sqlx::MySql>, filter: &ErrorFilter) {
    match filter {
        ErrorFilter::All => {}
        ErrorFilter::Operation(operation) => {
            query.push(" AND operation = ").push_bind(operation.clone());
        }
        ErrorFilter::Status(status) => {
            query.push(" AND status = ").push_bind(*status);
        }
        ErrorFilter::Code(code) => {
            query.push(" AND code = ").push_bind(code.clone());
        }
        ErrorFilter::Request(request) => {
            query.push(" AND request_id = ").push_bind(request.clone());
        }
    }
}

/// Reads the newest `limit` errors of a vendor's widget before error `before` ([`super::NEWEST`]: of all). Reads as many rows as it
/// returns: each filter has an index in the order of the page.
pub async fn list_errors(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
    filter: &ErrorFilter,
    before: u64,
    limit: u32,
) -> StoreResult<ErrorPage> {
    let mut query =
        sqlx::QueryBuilder::new(sql!("SELECT ", ERROR_COLUMNS, " FROM api_call_errors FORCE INDEX ("));
    push_error_index(&mut query, filter);
    query.push(") WHERE widget_id = (SELECT w.id FROM widgets w WHERE w.id = ");
    query.push_bind(widget.to_string()).push(" AND w.vendor_id = ").push_bind(vendor.to_string()).push(")");
    push_error_filter(&mut query, filter);
    query.push(" AND id < ").push_bind(before).push(" ORDER BY id DESC LIMIT ");
    query.push_bind(limit.saturating_add(1));
    let mut errors: Vec<LoggedError> = query.build_query_as().fetch_all(conn).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = errors.len() > shown;
    errors.truncate(shown);
    Ok(ErrorPage { errors, has_more })
}

/// Deletes at most `limit` counts of days before `before`; returns how many.
pub async fn prune_counts(conn: &mut Conn, before: NaiveDate, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM api_call_counts WHERE day < ? ORDER BY day LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}

/// Deletes at most `limit` errors that were answered before `before`; returns how many.
pub async fn prune_errors(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned =
        sqlx::query("DELETE FROM api_call_errors WHERE happened_at < ? ORDER BY happened_at LIMIT ?")
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await?;
    Ok(pruned.rows_affected())
}
