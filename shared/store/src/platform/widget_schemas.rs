//! Table `widget_schemas`: JSON Schemas of settings, by version of a widget.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use serde_json::Value;
use sqlx::types::Json;

use crate::{Conn, StoreResult};

/// Inserts or replaces the schema of a version.
pub async fn put(
    conn: &mut Conn,
    widget_id: WidgetId,
    version: &str,
    schema: &Value,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO widget_schemas (widget_id, widget_version, settings, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE settings = VALUES(settings), updated_at = VALUES(updated_at)",
    )
    .bind(widget_id.to_string())
    .bind(version)
    .bind(Json(schema))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes the schema of a version.
pub async fn remove(conn: &mut Conn, widget_id: WidgetId, version: &str) -> StoreResult<()> {
    sqlx::query("DELETE FROM widget_schemas WHERE widget_id = ? AND widget_version = ?")
        .bind(widget_id.to_string())
        .bind(version)
        .execute(conn)
        .await?;
    Ok(())
}

/// Finds the schema of a version; `None` if the version has none of its own.
pub async fn find(conn: &mut Conn, widget_id: WidgetId, version: &str) -> StoreResult<Option<Value>> {
    let schema: Option<Json<Value>> =
        sqlx::query_scalar("SELECT settings FROM widget_schemas WHERE widget_id = ? AND widget_version = ?")
            .bind(widget_id.to_string())
            .bind(version)
            .fetch_optional(conn)
            .await?;
    Ok(schema.map(|schema| schema.0))
}

/// Lists the versions that have a schema of their own.
pub async fn list_versions(conn: &mut Conn, widget_id: WidgetId) -> StoreResult<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT widget_version FROM widget_schemas WHERE widget_id = ? ORDER BY updated_at, widget_version",
    )
    .bind(widget_id.to_string())
    .fetch_all(conn)
    .await?)
}
