//! Table `settings_history`: versions of installs' settings.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;

use crate::{Conn, JsonText, StoreResult};

/// Row of `settings_history`: settings as they were saved once.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SettingsVersion {
    /// Version number.
    pub version: u32,
    /// As they were written, number for number.
    pub settings: JsonText,
    /// Author: `user 501`, `backend` or `operator`.
    pub changed_by: String,
    /// When they were set.
    pub changed_at: DateTime<Utc>,
}

/// Stores a version. Versions of an install are unique.
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

/// Reads one row without a lock; `None` if there is none.
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

/// Lists the latest versions that were set before a time, newest first.
pub async fn list_before(
    conn: &mut Conn,
    install_id: InstallId,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SettingsVersion>> {
    Ok(sqlx::query_as(
        "SELECT version, settings, changed_by, changed_at FROM settings_history
         WHERE install_id = ? AND changed_at < ? ORDER BY version DESC LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(before.naive_utc())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// When a version was set; `None` if it is not there.
pub async fn find_time(
    conn: &mut Conn,
    install_id: InstallId,
    version: u32,
) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar("SELECT changed_at FROM settings_history WHERE install_id = ? AND version = ?")
        .bind(install_id.to_string())
        .bind(version)
        .fetch_optional(conn)
        .await?)
}

/// An install and the number of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct VersionedInstall {
    /// `ins_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// Number of the version in force; earlier ones have lower numbers.
    pub settings_version: u32,
}

/// Lists at most `limit` installs after `after`, by id. Reads no others: a condition on the version would read all installs for
/// few results.
pub async fn list_installs(
    conn: &mut Conn,
    after: Option<InstallId>,
    limit: u32,
) -> StoreResult<Vec<VersionedInstall>> {
    Ok(sqlx::query_as("SELECT id, settings_version FROM installs WHERE id > ? ORDER BY id LIMIT ?")
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Deletes at most `limit` versions up to `until` that were set before `before`; returns how many.
pub async fn prune(
    conn: &mut Conn,
    install_id: InstallId,
    until: u32,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u64> {
    let pruned = sqlx::query(
        "DELETE FROM settings_history WHERE install_id = ? AND version <= ? AND changed_at < ?
         ORDER BY version LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(until)
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}
