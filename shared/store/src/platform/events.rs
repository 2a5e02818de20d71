//! Table `lifecycle_events`: what vendors' backends are told.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::lifecycle::EventKind;

use crate::{Conn, StoreError, StoreResult};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is to be delivered.
    Waiting,
    /// The backend took it.
    Delivered,
    /// The backend said that it wants no events any more (410).
    Refused,
    /// Every attempt failed.
    Failed,
    /// The widget has no address for it.
    Unaddressed,
}

impl EventState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Delivered, Self::Refused, Self::Failed, Self::Unaddressed];

    /// The column's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unaddressed => "unaddressed",
        }
    }
}

impl fmt::Display for EventState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| StoreError::Corrupt {
            what: "event state",
            reason: format!("`{text}` is unknown"),
        })
    }
}

impl TryFrom<String> for EventState {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

/// Something a vendor's backend is told.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Event {
    /// Its id; the same in every attempt.
    #[sqlx(try_from = "String")]
    pub id: EventId,
    /// To whom.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Counts the widget's events.
    pub number: u64,
    /// About which install.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Counts the install's events.
    pub sequence: u64,
    /// What.
    #[sqlx(try_from = "String", rename = "type")]
    pub kind: EventKind,
    /// The install's account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// The account's host at that time.
    pub host: String,
    /// What became of it.
    #[sqlx(try_from = "String")]
    pub state: EventState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
}

const COLUMNS: &str =
    "id, widget_id, number, install_id, sequence, type, account_id, host, state, attempts, happened_at";

/// Writes an event.
pub async fn insert(conn: &mut Conn, event: &Event) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO lifecycle_events (id, widget_id, number, install_id, sequence, type, account_id, host, state, happened_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event.id.to_string())
    .bind(event.widget_id.to_string())
    .bind(event.number)
    .bind(event.install_id.to_string())
    .bind(event.sequence)
    .bind(event.kind.as_str())
    .bind(event.account_id.0)
    .bind(&event.host)
    .bind(event.state.as_str())
    .bind(event.happened_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One event.
pub async fn find(conn: &mut Conn, id: EventId) -> StoreResult<Option<Event>> {
    let sql = format!("SELECT {COLUMNS} FROM lifecycle_events WHERE id = ?");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?)
}

/// At most `limit` events of a widget after number `after`.
pub async fn list_after(
    conn: &mut Conn,
    widget_id: WidgetId,
    after: u64,
    limit: u32,
) -> StoreResult<Vec<Event>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM lifecycle_events WHERE widget_id = ? AND number > ? ORDER BY number LIMIT ?"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(widget_id.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Writes what became of an event that waits; one that was dealt with stays as it is.
pub async fn end_waiting(
    conn: &mut Conn,
    id: EventId,
    state: EventState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("UPDATE lifecycle_events SET state = ?, settled_at = ? WHERE id = ? AND state = 'waiting'")
        .bind(state.as_str())
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes how often an event was sent, and what became of it.
pub async fn write_attempted(
    conn: &mut Conn,
    id: EventId,
    attempts: u32,
    state: EventState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let settled_at = (state != EventState::Waiting).then_some(now);
    sqlx::query("UPDATE lifecycle_events SET attempts = ?, state = ?, settled_at = ? WHERE id = ?")
        .bind(attempts)
        .bind(state.as_str())
        .bind(settled_at)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets a settled event be delivered afresh; `false` if it is being delivered.
pub async fn start_again(conn: &mut Conn, id: EventId) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE lifecycle_events SET state = 'waiting', attempts = 0, settled_at = NULL
         WHERE id = ? AND state <> 'waiting'",
    )
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
