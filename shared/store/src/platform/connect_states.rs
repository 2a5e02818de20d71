//! Table `connect_states`: OAuth `state` values of reconnects in progress.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InvalidId, UserId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// A reconnect in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectState {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// The account, if the reconnect was started inside one.
    pub account_id: Option<AccountId>,
    /// The user who started it, if known.
    pub user_id: Option<UserId>,
}

/// A state to be inserted.
#[derive(Debug)]
pub struct NewConnectState<'a> {
    /// Finds the row, as the `state` itself is not stored.
    pub state_hash: &'a str,
    /// Data that the state stands for.
    pub begun: &'a ConnectState,
    /// IP address (or /64 network) that asked for it.
    pub source: &'a str,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
}

/// Stores a state, which a callback of amoCRM has to present.
pub async fn insert(conn: &mut Conn, new: &NewConnectState<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO connect_states (state_hash, widget_id, account_id, user_id, source, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.state_hash)
    .bind(new.begun.widget_id.to_string())
    .bind(new.begun.account_id.map(|id| id.0))
    .bind(new.begun.user_id.map(|id| id.0))
    .bind(new.source)
    .bind(new.now)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of unexpired states from a source, used or not, at most `limit`.
pub async fn count_from_source(
    conn: &mut Conn,
    source: &str,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u32> {
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT state_hash FROM connect_states WHERE source = ? AND expires_at > ? LIMIT ?)
             AS begun",
    )
    .bind(source)
    .bind(now)
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(counted).unwrap_or(u32::MAX))
}

/// Number of unexpired states of a widget and account, used or not, at most `limit`.
pub async fn count_of_account(
    conn: &mut Conn,
    widget_id: WidgetId,
    account_id: AccountId,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u32> {
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT state_hash FROM connect_states
             WHERE account_id = ? AND widget_id = ? AND expires_at > ? LIMIT ?) AS begun",
    )
    .bind(account_id.0)
    .bind(widget_id.to_string())
    .bind(now)
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(counted).unwrap_or(u32::MAX))
}

/// Finds a state by its hash, even if it is used or expired.
pub async fn find(conn: &mut Conn, state_hash: &str) -> StoreResult<Option<ConnectState>> {
    let row: Option<(String, Option<u64>, Option<u64>)> =
        sqlx::query_as("SELECT widget_id, account_id, user_id FROM connect_states WHERE state_hash = ?")
            .bind(state_hash)
            .fetch_optional(conn)
            .await?;
    let Some((widget_id, account_id, user_id)) = row else { return Ok(None) };
    let widget_id = widget_id.parse().map_err(|error: InvalidId| StoreError::InvalidRow {
        what: "widget id",
        reason: error.to_string(),
    })?;
    Ok(Some(ConnectState { widget_id, account_id: account_id.map(AccountId), user_id: user_id.map(UserId) }))
}

/// Marks a valid state of the widget as used and returns it; only the first of several calls succeeds.
pub async fn use_up(
    conn: &mut Conn,
    state_hash: &str,
    widget_id: WidgetId,
    now: DateTime<Utc>,
) -> StoreResult<Option<ConnectState>> {
    let used = sqlx::query(
        "UPDATE connect_states SET used_at = ?
         WHERE state_hash = ? AND widget_id = ? AND used_at IS NULL AND expires_at > ?",
    )
    .bind(now)
    .bind(state_hash)
    .bind(widget_id.to_string())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    if used.rows_affected() == 0 {
        return Ok(None);
    }
    let (account_id, user_id): (Option<u64>, Option<u64>) =
        sqlx::query_as("SELECT account_id, user_id FROM connect_states WHERE state_hash = ?")
            .bind(state_hash)
            .fetch_one(conn)
            .await?;
    Ok(Some(ConnectState { widget_id, account_id: account_id.map(AccountId), user_id: user_id.map(UserId) }))
}

/// Deletes at most `limit` states that expired before `before`.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    Ok(sqlx::query("DELETE FROM connect_states WHERE expires_at < ? ORDER BY expires_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}
