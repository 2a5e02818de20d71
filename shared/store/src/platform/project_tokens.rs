//! Project tokens of widgets: look-up and rotation.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;

use super::cache_invalidations::{self, Subject};
use super::former_credentials;
use super::widgets::{COLUMNS, Widget};
use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// The widget of a project token.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TokenOwner {
    /// Widget whose token, current or former, has this hash.
    #[sqlx(flatten)]
    pub widget: Widget,
    /// Keyed hash of the token.
    pub token_hash: String,
    /// End of a former token's validity; `None` for the current token.
    pub token_until: Option<DateTime<Utc>>,
    /// When the backend first authenticated with the token.
    pub token_used_at: Option<DateTime<Utc>>,
}

/// Finds the widget whose project token has one of these hashes (one per key of the ring) and is valid at `now`.
pub async fn find_owner(
    conn: &mut Conn,
    hashes: &[String],
    now: DateTime<Utc>,
) -> StoreResult<Option<TokenOwner>> {
    for hash in hashes {
        let found: Option<TokenOwner> = sqlx::query_as(sql!(
            "SELECT ",
            COLUMNS,
            ", w.project_token_hash AS token_hash, CAST(NULL AS DATETIME(6)) AS token_until,
                w.project_token_used_at AS token_used_at
             FROM widgets w WHERE w.project_token_hash = ?
             UNION ALL
             SELECT ",
            COLUMNS,
            ", f.token_hash, f.valid_until, f.used_at
             FROM former_project_tokens f JOIN widgets w ON w.id = f.widget_id
             WHERE f.token_hash = ? AND f.valid_until > ? LIMIT 1"
        ))
        .bind(hash)
        .bind(hash)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Records that the backend has authenticated with a token, if it is the first time.
pub async fn mark_used(conn: &mut Conn, token: &TokenOwner, now: DateTime<Utc>) -> StoreResult<()> {
    if token.token_until.is_none() {
        sqlx::query(
            "UPDATE widgets SET project_token_used_at = ?
             WHERE project_token_hash = ? AND project_token_used_at IS NULL",
        )
        .bind(now)
        .bind(&token.token_hash)
        .execute(conn)
        .await?;
        return Ok(());
    }
    sqlx::query("UPDATE former_project_tokens SET used_at = ? WHERE token_hash = ? AND used_at IS NULL")
        .bind(now)
        .bind(&token.token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces the project token. The present one stays valid until `former_until`, if given; earlier ones stay valid until
/// the end that was stated for them.
pub async fn rotate(
    conn: &mut Conn,
    id: WidgetId,
    sealed: &str,
    hash: &str,
    former_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if let Some(until) = former_until {
        former_credentials::keep_token(conn, id, until, now).await?;
    }
    let result = sqlx::query(
        // Assignments run from left to right: the former hash is copied before it is replaced. 0.1.0 reads the first two
        // columns.
        "UPDATE widgets SET former_token_hash = IF(? IS NULL, NULL, project_token_hash), former_token_until = ?,
                project_token_hash = ?, project_token_sealed = ?, project_token_used_at = NULL, updated_at = ?
         WHERE id = ?",
    )
    .bind(former_until)
    .bind(former_until)
    .bind(hash)
    .bind(sealed)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&result, "widget")?;
    cache_invalidations::record(conn, Subject::Widget(id)).await
}
