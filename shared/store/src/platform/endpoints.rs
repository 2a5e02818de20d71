//! Table `event_endpoints`: circuit breakers of event URLs.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::breaker::Breaker;
use sqlx::QueryBuilder;

use crate::listed::push_in;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// An event URL of a widget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// SHA-256 of the URL, lower-case hex.
    pub address: String,
}

/// Reads the circuit breakers of the widgets' endpoints that have failed.
pub async fn list_failing(conn: &mut Conn, widgets: &[WidgetId]) -> StoreResult<Vec<(Endpoint, Breaker)>> {
    if widgets.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT widget_id, address, failures, open_until FROM event_endpoints WHERE widget_id",
    );
    push_in(&mut query, widgets.iter().map(ToString::to_string));
    let rows: Vec<(String, String, u32, Option<DateTime<Utc>>)> =
        query.build_query_as().fetch_all(conn).await?;
    rows.into_iter()
        .map(|(widget, address, failures, open_until)| {
            let endpoint = Endpoint { widget_id: decode_text("widget id", &widget)?, address };
            Ok((endpoint, Breaker { failures, open_until }))
        })
        .collect()
}

/// Reads the circuit breaker of an endpoint, closed if there is no row, and locks the row until the transaction ends.
pub async fn lock(conn: &mut Conn, endpoint: &Endpoint) -> StoreResult<Breaker> {
    let row: Option<(u32, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT failures, open_until FROM event_endpoints WHERE widget_id = ? AND address = ? FOR UPDATE",
    )
    .bind(endpoint.widget_id.to_string())
    .bind(&endpoint.address)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(failures, open_until)| Breaker { failures, open_until }).unwrap_or_default())
}

/// Writes the circuit breaker; the row of a closed one without failures is deleted.
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

/// An event URL whose circuit breaker is open: nothing is sent to it for now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DownEndpoint {
    /// Row of `widgets`.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Unique word by which commands name the widget.
    pub widget_code: String,
    /// SHA-256 of the URL, lower-case hex.
    pub address: String,
    /// Failed deliveries in a row.
    pub failures: u32,
    /// When the next delivery is tried.
    pub open_until: DateTime<Utc>,
    /// Last failure.
    pub updated_at: DateTime<Utc>,
}

/// Lists at most `limit` endpoints whose circuit breaker is open, those with most failures first. The table has a row per
/// failing endpoint, so it is small.
pub async fn list_down(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<DownEndpoint>> {
    Ok(sqlx::query_as(
        "SELECT e.widget_id, w.code AS widget_code, e.address, e.failures, e.open_until, e.updated_at
         FROM event_endpoints e JOIN widgets w ON w.id = e.widget_id
         WHERE e.open_until > ? ORDER BY e.failures DESC, e.widget_id, e.address LIMIT ?",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
