//! Tables `former_project_tokens` and `former_event_secrets`: replaced credentials that are still valid.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::WidgetId;

use super::cache_invalidations::{self, Subject};
use crate::{Conn, StoreResult};

/// A replaced project token.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FormerToken {
    /// Keyed hash of the token.
    pub token_hash: String,
    /// The token, sealed for `widgets.project_token:<id>`; `None` for tokens that 0.1.0 replaced.
    pub token_sealed: Option<String>,
    /// End of its validity.
    pub valid_until: DateTime<Utc>,
    /// When the backend first authenticated with it; `None` if unknown.
    pub used_at: Option<DateTime<Utc>>,
}

/// A replaced event secret.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FormerSecret {
    /// When it was replaced; unique among the widget's secrets.
    pub replaced_at: DateTime<Utc>,
    /// The secret, sealed for `widgets.event_secret:<id>`.
    pub secret_sealed: String,
    /// End of its validity.
    pub valid_until: DateTime<Utc>,
}

/// Lists the former project tokens of a widget that are valid at `now`, the newest first.
pub async fn list_tokens(
    conn: &mut Conn,
    widget: WidgetId,
    now: DateTime<Utc>,
) -> StoreResult<Vec<FormerToken>> {
    Ok(sqlx::query_as(
        "SELECT token_hash, token_sealed, valid_until, used_at FROM former_project_tokens
         WHERE widget_id = ? AND valid_until > ? ORDER BY replaced_at DESC",
    )
    .bind(widget.to_string())
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// Lists the former event secrets of a widget that are valid at `now`, the newest first.
pub async fn list_secrets(
    conn: &mut Conn,
    widget: WidgetId,
    now: DateTime<Utc>,
) -> StoreResult<Vec<FormerSecret>> {
    Ok(sqlx::query_as(
        "SELECT replaced_at, secret_sealed, valid_until FROM former_event_secrets
         WHERE widget_id = ? AND valid_until > ? ORDER BY replaced_at DESC",
    )
    .bind(widget.to_string())
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// Keeps the widget's current project token valid until `until`, and deletes expired former ones. The caller replaces the
/// current token in the same transaction; of two concurrent callers the second violates the primary key.
pub(super) async fn keep_token(
    conn: &mut Conn,
    widget: WidgetId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("DELETE FROM former_project_tokens WHERE widget_id = ? AND valid_until <= ?")
        .bind(widget.to_string())
        .bind(now)
        .execute(&mut *conn)
        .await?;
    let current: Option<(String, String, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT project_token_hash, project_token_sealed, project_token_used_at FROM widgets WHERE id = ?
         FOR UPDATE",
    )
    .bind(widget.to_string())
    .fetch_optional(&mut *conn)
    .await?;
    let Some((hash, sealed, used_at)) = current else { return Ok(()) };
    sqlx::query(
        "INSERT INTO former_project_tokens (token_hash, widget_id, token_sealed, valid_until, used_at, replaced_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(hash)
    .bind(widget.to_string())
    .bind(sealed)
    .bind(until)
    .bind(used_at)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE widgets SET former_tokens_until = GREATEST(COALESCE(former_tokens_until, ?), ?) WHERE id = ?",
    )
    .bind(until)
    .bind(until)
    .bind(widget.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a replaced event secret valid until `until`, and deletes expired former ones.
pub async fn keep_secret(
    conn: &mut Conn,
    widget: WidgetId,
    sealed: &str,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("DELETE FROM former_event_secrets WHERE widget_id = ? AND valid_until <= ?")
        .bind(widget.to_string())
        .bind(now)
        .execute(&mut *conn)
        .await?;
    let latest: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT MAX(replaced_at) FROM former_event_secrets WHERE widget_id = ?")
            .bind(widget.to_string())
            .fetch_one(&mut *conn)
            .await?;
    // Part of the key: secrets that are replaced at one moment of a clock differ by a microsecond.
    let replaced_at = latest.map_or(now, |latest| now.max(latest + TimeDelta::microseconds(1)));
    sqlx::query(
        "INSERT INTO former_event_secrets (widget_id, replaced_at, secret_sealed, valid_until) VALUES (?, ?, ?, ?)",
    )
    .bind(widget.to_string())
    .bind(replaced_at)
    .bind(sealed)
    .bind(until)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE widgets SET former_secrets_until = GREATEST(COALESCE(former_secrets_until, ?), ?) WHERE id = ?",
    )
    .bind(until)
    .bind(until)
    .bind(widget.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Revokes all former project tokens of a widget.
pub async fn revoke_tokens(conn: &mut Conn, widget: WidgetId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("DELETE FROM former_project_tokens WHERE widget_id = ?")
        .bind(widget.to_string())
        .execute(&mut *conn)
        .await?;
    // The first two columns are those that 0.1.0 reads.
    sqlx::query(
        "UPDATE widgets SET former_token_hash = NULL, former_token_until = NULL, former_tokens_until = NULL,
                updated_at = ? WHERE id = ?",
    )
    .bind(now)
    .bind(widget.to_string())
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Widget(widget)).await
}

/// Revokes all former event secrets of a widget.
pub async fn revoke_secrets(conn: &mut Conn, widget: WidgetId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("DELETE FROM former_event_secrets WHERE widget_id = ?")
        .bind(widget.to_string())
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE widgets SET former_secrets_until = NULL, updated_at = ? WHERE id = ?")
        .bind(now)
        .bind(widget.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces the sealed text and the hash of a former token by those of another key, unless it changed since it was read.
pub async fn reseal_token(
    conn: &mut Conn,
    read: &FormerToken,
    sealed: &str,
    hash: &str,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE former_project_tokens SET token_sealed = ?, token_hash = ? WHERE token_hash = ? AND token_sealed <=> ?",
    )
    .bind(sealed)
    .bind(hash)
    .bind(&read.token_hash)
    .bind(&read.token_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Replaces the sealed text of a former secret by that of another key, unless it changed since it was read.
pub async fn reseal_secret(
    conn: &mut Conn,
    widget: WidgetId,
    read: &FormerSecret,
    sealed: &str,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE former_event_secrets SET secret_sealed = ?
         WHERE widget_id = ? AND replaced_at = ? AND secret_sealed = ?",
    )
    .bind(sealed)
    .bind(widget.to_string())
    .bind(read.replaced_at)
    .bind(&read.secret_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
