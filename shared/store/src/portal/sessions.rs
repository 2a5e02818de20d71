//! Table `vendor_sessions`: sessions of vendors' users.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::SessionStage;
use flysk_domain::id::{VendorSessionId, VendorUserId};

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// A session.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct VendorSession {
    /// Id of the session.
    #[sqlx(try_from = "String")]
    pub id: VendorSessionId,
    /// The user.
    #[sqlx(try_from = "String")]
    pub user_id: VendorUserId,
    /// Stage.
    #[sqlx(try_from = "TextColumn")]
    pub stage: SessionStage,
    /// Address of the last step up.
    pub address: String,
    /// Browser, as it names itself.
    pub user_agent: String,
    /// Last time the second factor was given.
    pub proved_at: Option<DateTime<Utc>>,
    /// Last request, to the minute.
    pub seen_at: DateTime<Utc>,
    /// End of the session's lifetime.
    pub expires_at: DateTime<Utc>,
    /// Start.
    pub created_at: DateTime<Utc>,
}

const SELECT: &str =
    "SELECT id, user_id, stage, address, user_agent, proved_at, seen_at, expires_at, created_at
     FROM vendor_sessions WHERE ";

/// Inserts a session with the hash of its cookie.
pub async fn insert(conn: &mut Conn, session: &VendorSession, token_hash: &str) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO vendor_sessions (id, user_id, token_hash, stage, address, user_agent, proved_at, seen_at,
                                        expires_at, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(session.id.to_string())
    .bind(session.user_id.to_string())
    .bind(token_hash)
    .bind(session.stage.as_str())
    .bind(&session.address)
    .bind(&session.user_agent)
    .bind(session.proved_at)
    .bind(session.seen_at)
    .bind(session.expires_at)
    .bind(session.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the session of a cookie that was seen after `idle_since` and has not ended.
pub async fn find_open(
    conn: &mut Conn,
    token_hash: &str,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<VendorSession>> {
    Ok(sqlx::query_as(sql!(SELECT, "token_hash = ? AND ended_at IS NULL AND expires_at > ? AND seen_at > ?"))
        .bind(token_hash)
        .bind(now)
        .bind(idle_since)
        .fetch_optional(conn)
        .await?)
}

/// Lists the open sessions of a user, the latest first.
pub async fn list_open(
    conn: &mut Conn,
    user: VendorUserId,
    now: DateTime<Utc>,
) -> StoreResult<Vec<VendorSession>> {
    Ok(sqlx::query_as(sql!(SELECT, "user_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY id DESC"))
        .bind(user.to_string())
        .bind(now)
        .fetch_all(conn)
        .await?)
}

/// Raises a session to [`SessionStage::Full`] and replaces its cookie.
pub async fn step_up(
    conn: &mut Conn,
    id: VendorSessionId,
    token_hash: &str,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE vendor_sessions SET token_hash = ?, stage = 'full', proved_at = ?, seen_at = ?, expires_at = ?
         WHERE id = ? AND ended_at IS NULL",
    )
    .bind(token_hash)
    .bind(now)
    .bind(now)
    .bind(expires_at)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "session")
}

/// Writes the time of the last request.
pub async fn touch(conn: &mut Conn, id: VendorSessionId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE vendor_sessions SET seen_at = ? WHERE id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a session of a user; `false` if it has ended.
pub async fn end(
    conn: &mut Conn,
    user: VendorUserId,
    id: VendorSessionId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let ended = sqlx::query(
        "UPDATE vendor_sessions SET ended_at = ? WHERE id = ? AND user_id = ? AND ended_at IS NULL",
    )
    .bind(now)
    .bind(id.to_string())
    .bind(user.to_string())
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of a user; returns how many.
pub async fn end_all(conn: &mut Conn, user: VendorUserId, now: DateTime<Utc>) -> StoreResult<u64> {
    let ended = sqlx::query("UPDATE vendor_sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL")
        .bind(now)
        .bind(user.to_string())
        .execute(conn)
        .await?;
    Ok(ended.rows_affected())
}

/// Deletes at most `limit` sessions that expired before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM vendor_sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
