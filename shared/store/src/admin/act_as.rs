//! Table `act_as_sessions`: operators who see an install's pages as its administrator does.

use chrono::{DateTime, Utc};
use flysk_domain::id::{ActAsId, InstallId, OperatorId, OperatorSessionId};

use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A view of an install by an operator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ActAs {
    /// Id of the view.
    #[sqlx(try_from = "String")]
    pub id: ActAsId,
    /// The operator's session in the panel.
    #[sqlx(try_from = "String")]
    pub session_id: OperatorSessionId,
    /// Row of `operators`.
    #[sqlx(try_from = "String")]
    pub operator_id: OperatorId,
    /// As it was at the beginning of the view.
    pub operator_login: String,
    /// Row of `installs`, which has the widget and the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ends by itself.
    pub until_at: DateTime<Utc>,
}

/// A view lives as long as its time and the operator's session do, and the operator is not disabled.
const SELECT_LIVE: &str =
    "SELECT a.id, a.session_id, a.operator_id, a.operator_login, a.install_id, a.started_at, a.until_at
     FROM act_as_sessions a
     JOIN operator_sessions s ON s.id = a.session_id
     JOIN operators o ON o.id = a.operator_id
     WHERE a.ended_at IS NULL AND s.ended_at IS NULL AND s.stage = 'full' AND o.disabled_at IS NULL AND ";

/// Begins a view: inserts its row.
pub async fn insert(conn: &mut Conn, view: &ActAs) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO act_as_sessions (id, session_id, operator_id, operator_login, install_id, started_at, until_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(view.id.to_string())
    .bind(view.session_id.to_string())
    .bind(view.operator_id.to_string())
    .bind(&view.operator_login)
    .bind(view.install_id.to_string())
    .bind(view.started_at)
    .bind(view.until_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds a view that lives at `now`.
pub async fn find_live(conn: &mut Conn, id: ActAsId, now: DateTime<Utc>) -> StoreResult<Option<ActAs>> {
    Ok(sqlx::query_as(sql!(SELECT_LIVE, "a.id = ? AND a.until_at > ? AND s.expires_at > ?"))
        .bind(id.to_string())
        .bind(now)
        .bind(now)
        .fetch_optional(conn)
        .await?)
}

/// Finds a view that lives at `now` and was opened in the browser with this hash.
pub async fn find_opened(
    conn: &mut Conn,
    id: ActAsId,
    browser_hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<Option<ActAs>> {
    Ok(sqlx::query_as(sql!(
        SELECT_LIVE,
        "a.id = ? AND a.browser_hash = ? AND a.until_at > ? AND s.expires_at > ?"
    ))
    .bind(id.to_string())
    .bind(browser_hash)
    .bind(now)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Finds the view of an install that a session has begun and that lives at `now`.
pub async fn find_of_session(
    conn: &mut Conn,
    session: OperatorSessionId,
    install: InstallId,
    now: DateTime<Utc>,
) -> StoreResult<Option<ActAs>> {
    Ok(sqlx::query_as(sql!(
        SELECT_LIVE,
        "a.session_id = ? AND a.install_id = ? AND a.until_at > ? AND s.expires_at > ? ORDER BY a.id DESC LIMIT 1"
    ))
    .bind(session.to_string())
    .bind(install.to_string())
    .bind(now)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Binds a view to the browser with this hash; `false` if another browser has opened it.
pub async fn claim(conn: &mut Conn, id: ActAsId, browser_hash: &str) -> StoreResult<bool> {
    let claimed = sqlx::query(
        "UPDATE act_as_sessions SET browser_hash = ? WHERE id = ? AND (browser_hash IS NULL OR browser_hash = ?)",
    )
    .bind(browser_hash)
    .bind(id.to_string())
    .bind(browser_hash)
    .execute(conn)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Ends a view; `false` if it has ended.
pub async fn end(conn: &mut Conn, id: ActAsId, now: DateTime<Utc>) -> StoreResult<bool> {
    let ended = sqlx::query("UPDATE act_as_sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Deletes at most `limit` views whose time ended before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM act_as_sessions WHERE until_at < ? ORDER BY until_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}

/// Ends all views of a session: an operator sees one install at a time.
pub async fn end_of_session(
    conn: &mut Conn,
    session: OperatorSessionId,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    let ended =
        sqlx::query("UPDATE act_as_sessions SET ended_at = ? WHERE session_id = ? AND ended_at IS NULL")
            .bind(now)
            .bind(session.to_string())
            .execute(conn)
            .await?;
    Ok(ended.rows_affected())
}
