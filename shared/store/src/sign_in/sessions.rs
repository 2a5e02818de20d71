//! Sessions of a principal, in the principal's own table.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::SessionStage;
use sqlx::FromRow;
use sqlx::mysql::MySqlRow;

use super::StoredId;
use super::sealed::Sealed;
use crate::error::expect_one;
use crate::{Conn, StoreResult, TextColumn};

/// The table of the sessions of a principal, and its statements.
pub trait SessionTable: StoredId + Sealed {
    /// Row of the owner.
    type Owner: for<'r> FromRow<'r, MySqlRow>;
    /// Its own type, so that sessions of operators and of vendors' users are not confused.
    type SessionId: StoredId;

    /// Inserts a row: id, owner, hash of the cookie, stage, address, browser, times of proof, last request, end and start.
    const INSERT: &'static str;
    /// Selects the open session with this hash of its cookie, at a time, seen after another, with the row of its owner.
    const FIND_OPEN: &'static str;
    /// Selects the open sessions of an owner at a time, the latest first.
    const LIST_OPEN: &'static str;
    /// Writes hash, time of the proof, last request and end of an open session with this id.
    const STEP_UP: &'static str;
    /// Writes the last request of the session with this id.
    const TOUCH: &'static str;
    /// Writes the end of an open session with this id and owner.
    const END: &'static str;
    /// Writes the end of all open sessions of an owner.
    const END_ALL: &'static str;
    /// Deletes sessions that expired before a time, at most `limit`.
    const PRUNE: &'static str;
}

/// A browser that has signed in, or is signing in.
#[derive(Debug, Clone, FromRow)]
pub struct Session<P: SessionTable> {
    /// Not the secret of the cookie, of which only a hash is stored.
    #[sqlx(try_from = "String", rename = "session_id")]
    pub id: P::SessionId,
    /// Principal of the session.
    #[sqlx(try_from = "String")]
    pub owner_id: P,
    /// `Password` until the second factor is given.
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
    #[sqlx(rename = "began_at")]
    pub created_at: DateTime<Utc>,
}

/// Inserts a session with the hash of its cookie.
pub async fn insert<P: SessionTable>(
    conn: &mut Conn,
    session: &Session<P>,
    token_hash: &str,
) -> StoreResult<()> {
    sqlx::query(<P as SessionTable>::INSERT)
        .bind(session.id.to_string())
        .bind(session.owner_id.to_string())
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

/// Finds the session of a cookie that was seen after `idle_since` and has not ended, and its owner, who may be disabled.
///
/// Every request needs both rows. One statement saves a round trip.
pub async fn find_open<P: SessionTable>(
    conn: &mut Conn,
    token_hash: &str,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<(P::Owner, Session<P>)>> {
    let found = sqlx::query(<P as SessionTable>::FIND_OPEN)
        .bind(token_hash)
        .bind(now)
        .bind(idle_since)
        .fetch_optional(conn)
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some((P::Owner::from_row(&row)?, Session::from_row(&row)?)))
}

/// Lists the open sessions of a principal, the latest first.
pub async fn list_open<P: SessionTable>(
    conn: &mut Conn,
    owner: P,
    now: DateTime<Utc>,
) -> StoreResult<Vec<Session<P>>> {
    Ok(sqlx::query_as(<P as SessionTable>::LIST_OPEN)
        .bind(owner.to_string())
        .bind(now)
        .fetch_all(conn)
        .await?)
}

/// Raises a session to [`SessionStage::Full`] and replaces its cookie.
pub async fn step_up<P: SessionTable>(
    conn: &mut Conn,
    session: &Session<P>,
    token_hash: &str,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(<P as SessionTable>::STEP_UP)
        .bind(token_hash)
        .bind(now)
        .bind(now)
        .bind(expires_at)
        .bind(session.id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "session")
}

/// Writes the time of the last request.
pub async fn touch<P: SessionTable>(
    conn: &mut Conn,
    session: &Session<P>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(<P as SessionTable>::TOUCH).bind(now).bind(session.id.to_string()).execute(conn).await?;
    Ok(())
}

/// Ends a session of a principal; `false` if it has ended.
pub async fn end<P: SessionTable>(
    conn: &mut Conn,
    owner: P,
    id: P::SessionId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let ended = sqlx::query(<P as SessionTable>::END)
        .bind(now)
        .bind(id.to_string())
        .bind(owner.to_string())
        .execute(conn)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of a principal; returns how many.
pub async fn end_all<P: SessionTable>(conn: &mut Conn, owner: P, now: DateTime<Utc>) -> StoreResult<u64> {
    let ended =
        sqlx::query(<P as SessionTable>::END_ALL).bind(now).bind(owner.to_string()).execute(conn).await?;
    Ok(ended.rows_affected())
}

/// Deletes at most `limit` sessions that expired before `before`; returns how many.
pub async fn prune<P: SessionTable>(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query(<P as SessionTable>::PRUNE).bind(before).bind(limit).execute(conn).await?;
    Ok(pruned.rows_affected())
}
