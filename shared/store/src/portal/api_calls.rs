//! Tables `api_call_counts` and `api_call_errors`: what the API answered to a vendor's widgets.
//!
//! API processes count in memory and add what they have counted every few seconds, for all widgets in a few statements.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{VendorId, WidgetId};

use crate::listed::in_few_lengths;
use crate::{Conn, StoreResult};

/// Maximum length of a stored description, in characters.
const MAX_DETAIL_LEN: usize = 500;

/// Calls of an operation with one class of status on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The widget.
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
    /// The widget.
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

/// Inserts errors.
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

/// An error as a vendor sees it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LoggedError {
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

/// Lists the newest `limit` errors of a vendor's widget, newest first.
pub async fn list_errors(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
    limit: u32,
) -> StoreResult<Vec<LoggedError>> {
    Ok(sqlx::query_as(
        "SELECT e.happened_at, e.operation, e.status, e.code, e.detail, e.request_id
         FROM widgets w STRAIGHT_JOIN api_call_errors e FORCE INDEX (api_call_errors_widget) ON e.widget_id = w.id
         WHERE w.id = ? AND w.vendor_id = ? ORDER BY e.id DESC LIMIT ?",
    )
    .bind(widget.to_string())
    .bind(vendor.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
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
