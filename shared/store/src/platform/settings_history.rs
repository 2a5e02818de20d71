//! Table `settings_history`: all versions of installs' settings.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;

use crate::{Conn, JsonText, StoreResult};

/// A version of settings.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SettingsVersion {
    /// Version number.
    pub version: u32,
    /// The settings.
    pub settings: JsonText,
    /// Author: `user 501`, `backend` or `operator`.
    pub changed_by: String,
    /// When they were set.
    pub changed_at: DateTime<Utc>,
}

/// Inserts a version.
pub async fn insert(conn: &mut Conn, install_id: InstallId, version: &SettingsVersion) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO settings_history (install_id, version, settings, changed_by, changed_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(install_id.to_string())
    .bind(version.version)
    .bind(&version.settings)
    .bind(&version.changed_by)
    .bind(version.changed_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds a version.
pub async fn find(
    conn: &mut Conn,
    install_id: InstallId,
    version: u32,
) -> StoreResult<Option<SettingsVersion>> {
    Ok(sqlx::query_as(
        "SELECT version, settings, changed_by, changed_at FROM settings_history WHERE install_id = ? AND version = ?",
    )
    .bind(install_id.to_string())
    .bind(version)
    .fetch_optional(conn)
    .await?)
}

/// Lists the latest versions, newest first.
pub async fn list_latest(
    conn: &mut Conn,
    install_id: InstallId,
    limit: u32,
) -> StoreResult<Vec<SettingsVersion>> {
    Ok(sqlx::query_as(
        "SELECT version, settings, changed_by, changed_at FROM settings_history
         WHERE install_id = ? ORDER BY version DESC LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
