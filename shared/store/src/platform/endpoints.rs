//! Table `event_endpoints`: how the addresses of vendors' backends have been doing.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::breaker::Breaker;

use crate::{Conn, StoreResult};

/// An address of a widget's backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose.
    pub widget_id: WidgetId,
    /// What the address is known by: its SHA-256 in lower-case hex.
    pub address: String,
}

/// How the address has been doing; a new one has done no wrong.
pub async fn find(conn: &mut Conn, endpoint: &Endpoint) -> StoreResult<Breaker> {
    read(
        conn,
        endpoint,
        "SELECT failures, open_until FROM event_endpoints WHERE widget_id = ? AND address = ?",
    )
    .await
}

/// [`find`], the row locked until the transaction ends.
pub async fn lock(conn: &mut Conn, endpoint: &Endpoint) -> StoreResult<Breaker> {
    read(
        conn,
        endpoint,
        "SELECT failures, open_until FROM event_endpoints WHERE widget_id = ? AND address = ? FOR UPDATE",
    )
    .await
}

async fn read(conn: &mut Conn, endpoint: &Endpoint, sql: &'static str) -> StoreResult<Breaker> {
    let row: Option<(u32, Option<DateTime<Utc>>)> = sqlx::query_as(sql)
        .bind(endpoint.widget_id.to_string())
        .bind(&endpoint.address)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|(failures, open_until)| Breaker { failures, open_until }).unwrap_or_default())
}

/// Writes how it is doing. One that does well needs no row.
pub async fn write(
    conn: &mut Conn,
    endpoint: &Endpoint,
    breaker: &Breaker,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if *breaker == Breaker::default() {
        sqlx::query("DELETE FROM event_endpoints WHERE widget_id = ? AND address = ?")
            .bind(endpoint.widget_id.to_string())
            .bind(&endpoint.address)
            .execute(conn)
            .await?;
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO event_endpoints (widget_id, address, failures, open_until, updated_at) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE failures = VALUES(failures), open_until = VALUES(open_until),
            updated_at = VALUES(updated_at)",
    )
    .bind(endpoint.widget_id.to_string())
    .bind(&endpoint.address)
    .bind(breaker.failures)
    .bind(breaker.open_until)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
