//! Table `event_endpoints`: how the addresses of vendors' backends have been doing.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::breaker::Breaker;

use crate::{Conn, StoreResult};

/// How the widget's address has been doing; a new one has done no wrong.
pub async fn find(conn: &mut Conn, widget_id: WidgetId) -> StoreResult<Breaker> {
    read(conn, widget_id, "SELECT failures, open_until FROM event_endpoints WHERE widget_id = ?").await
}

/// [`find`], the row locked until the transaction ends.
pub async fn lock(conn: &mut Conn, widget_id: WidgetId) -> StoreResult<Breaker> {
    read(conn, widget_id, "SELECT failures, open_until FROM event_endpoints WHERE widget_id = ? FOR UPDATE")
        .await
}

async fn read(conn: &mut Conn, widget_id: WidgetId, sql: &'static str) -> StoreResult<Breaker> {
    let row: Option<(u32, Option<DateTime<Utc>>)> =
        sqlx::query_as(sql).bind(widget_id.to_string()).fetch_optional(conn).await?;
    Ok(row.map(|(failures, open_until)| Breaker { failures, open_until }).unwrap_or_default())
}

/// Writes how it is doing.
pub async fn write(
    conn: &mut Conn,
    widget_id: WidgetId,
    breaker: &Breaker,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO event_endpoints (widget_id, failures, open_until, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE failures = VALUES(failures), open_until = VALUES(open_until),
            updated_at = VALUES(updated_at)",
    )
    .bind(widget_id.to_string())
    .bind(breaker.failures)
    .bind(breaker.open_until)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
