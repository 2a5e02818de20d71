//! Table `lifecycle_events`: events for vendors' backends.
//!
//! Events of an install are delivered in the order of `sequence`: one is sent only after all earlier ones have left the
//! state `waiting`. The rule rests on that state, which each delivery reads and settles, not on a lock.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::events::EventKind;
use sqlx::QueryBuilder;

use crate::error::expect_rows;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, JsonText, StoreResult, TextColumn};

/// Object that the error of [`end_attempted`] names.
pub const WAITING_EVENT: &str = "waiting event";

/// Progress of the delivery of an event; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// To be delivered.
    Waiting,
    /// The backend accepted it.
    Delivered,
    /// The backend does not want events any more (410).
    Refused,
    /// Every attempt failed.
    Failed,
    /// The widget has no URL for this kind of event.
    Unaddressed,
}

/// An event for a vendor's backend.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Event {
    /// Id of the event, the same in every attempt.
    #[sqlx(try_from = "String")]
    pub id: EventId,
    /// Row of `widgets`.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Sequence number among the widget's events.
    pub number: u64,
    /// The install that the event is about.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Sequence number among the install's events.
    pub sequence: u64,
    /// Chooses the URL and the shape of the data.
    #[sqlx(try_from = "TextColumn", rename = "type")]
    pub kind: EventKind,
    /// The install's account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Host of the account when the event occurred.
    pub host: String,
    /// `Waiting` until the deliveries end; a replay sets it back.
    #[sqlx(try_from = "TextColumn")]
    pub state: EventState,
    /// Number of attempts so far.
    pub attempts: u32,
    /// When it occurred.
    pub happened_at: DateTime<Utc>,
    /// Data of the kind, a JSON object; `None` for events of 0.1.0.
    pub data: Option<JsonText>,
}

const COLUMNS: &str = "id, widget_id, number, install_id, sequence, type, account_id, host, state, attempts, \
     happened_at, data";

const SELECT_OF_WIDGET: &str =
    "SELECT id, widget_id, number, install_id, sequence, type, account_id, host, state, attempts,
            happened_at, data
     FROM lifecycle_events WHERE widget_id = ";

/// Stores an event with the state that it has.
pub async fn insert(conn: &mut Conn, event: &Event) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO lifecycle_events (id, widget_id, number, install_id, sequence, type, account_id, host, state, happened_at, data)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    .bind(&event.data)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: EventId) -> StoreResult<Option<Event>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM lifecycle_events WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds the first waiting event of an install after `sequence` (0: the first of all).
pub async fn next_waiting(
    conn: &mut Conn,
    install_id: InstallId,
    sequence: u64,
) -> StoreResult<Option<EventId>> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM lifecycle_events WHERE install_id = ? AND state = 'waiting' AND sequence > ?
         ORDER BY sequence LIMIT 1",
    )
    .bind(install_id.to_string())
    .bind(sequence)
    .fetch_optional(conn)
    .await?;
    id.map(|id| decode_text("event id", &id)).transpose()
}

/// The line of an install's events, as it is before an event is added.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventLine {
    /// The install's account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Current host of the account; empty if it is not known.
    pub host: String,
    /// Whether an event of the install waits.
    pub is_waiting: bool,
}

/// Reads the line of an install's events; `None` if there is no such install.
pub async fn find_line(conn: &mut Conn, install: InstallId) -> StoreResult<Option<EventLine>> {
    Ok(sqlx::query_as(
        "SELECT i.account_id, COALESCE(a.host, '') AS host,
             EXISTS (SELECT 1 FROM lifecycle_events e WHERE e.install_id = i.id AND e.state = 'waiting') AS is_waiting
         FROM installs i LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE i.id = ?",
    )
    .bind(install.to_string())
    .fetch_optional(conn)
    .await?)
}

/// Finds for each of these events the first waiting event of its install behind it, if there is one: pairs of both.
pub async fn list_next_waiting(conn: &mut Conn, ids: &[EventId]) -> StoreResult<Vec<(EventId, EventId)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT e.id, (SELECT n.id FROM lifecycle_events n
                       WHERE n.install_id = e.install_id AND n.state = 'waiting' AND n.sequence > e.sequence
                       ORDER BY n.sequence LIMIT 1) AS next_id
         FROM lifecycle_events e WHERE e.id",
    );
    push_in(&mut query, ids.iter().map(ToString::to_string));
    let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(conn).await?;
    let pairs = rows.iter().filter_map(|(id, next)| Some((id, next.as_deref()?)));
    pairs.map(|(id, next)| Ok((decode_text("event id", id)?, decode_text("event id", next)?))).collect()
}

/// Selects events of a widget.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only events of this install.
    pub install_id: Option<InstallId>,
    /// Only events of this kind.
    pub kind: Option<EventKind>,
    /// Only events in one of these states; any if empty.
    pub states: Vec<EventState>,
    /// Only events at or after this time.
    pub from: Option<DateTime<Utc>>,
    /// Only events before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only events whose delivery ended before this time, or that never had one, because the widget had no URL.
    pub ended_before: Option<DateTime<Utc>>,
}

/// Lists at most `limit` events of a widget after number `after`, in order.
pub async fn list_after(
    conn: &mut Conn,
    widget_id: WidgetId,
    filter: &EventFilter,
    after: u64,
    limit: u32,
) -> StoreResult<Vec<Event>> {
    let mut query = QueryBuilder::new(SELECT_OF_WIDGET);
    query.push_bind(widget_id.to_string()).push(" AND number > ").push_bind(after);
    if let Some(install) = filter.install_id {
        query.push(" AND install_id = ").push_bind(install.to_string());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND type = ").push_bind(kind.as_str());
    }
    if !filter.states.is_empty() {
        query.push(" AND state");
        push_in(&mut query, filter.states.iter().map(|state| state.as_str()));
    }
    if let Some(from) = filter.from {
        query.push(" AND happened_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" AND happened_at < ").push_bind(until);
    }
    if let Some(before) = filter.ended_before {
        // What happened without a URL has no time at which its delivery ended.
        query.push(" AND (settled_at < ").push_bind(before);
        query.push(" OR (settled_at IS NULL AND state = ").push_bind(EventState::Unaddressed.as_str());
        query.push("))");
    }
    query.push(" ORDER BY number LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Sets the final state of a waiting event; an event in a final state does not change.
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

/// Counts the attempt number `attempt` of a waiting event and sets its state; `false`, and nothing changes, if the event does not
/// wait any more, or another run has recorded the attempt. Two jobs may deliver an event at the same time: a late answer must not
/// reopen an event that has ended, because later ones have been sent since.
pub async fn write_attempted(
    conn: &mut Conn,
    id: EventId,
    attempt: u32,
    state: EventState,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let settled_at = (state != EventState::Waiting).then_some(now);
    let written = sqlx::query(
        "UPDATE lifecycle_events SET attempts = ?, state = ?, settled_at = ?
         WHERE id = ? AND state = 'waiting' AND attempts = ?",
    )
    .bind(attempt)
    .bind(state.as_str())
    .bind(settled_at)
    .bind(id.to_string())
    .bind(attempt.saturating_sub(1))
    .execute(conn)
    .await?;
    Ok(written.rows_affected() > 0)
}

/// Locks an event until the transaction ends; `false` if another transaction has locked it, for which nobody waits, or it is gone. On
/// a cluster the lock fences nothing; the write that follows does.
pub async fn lock_if_unlocked(conn: &mut Conn, id: EventId) -> StoreResult<bool> {
    let locked: Option<String> = sqlx::query_scalar(
        "SELECT id FROM lifecycle_events FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE SKIP LOCKED",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    Ok(locked.is_some())
}

/// Ends waiting events with their attempt number `attempt`, all in this state. The write compares what each delivery read, so that
/// of two runs of a delivery one records it. The index is named: few events wait, so a server may prefer the index of the state,
/// and wait for events that other processes end at the same time.
///
/// # Errors
///
/// [`crate::StoreError::WrongState`]: one of the events does not wait any more, or another run has recorded the attempt.
pub async fn end_attempted(
    conn: &mut Conn,
    ids: &[EventId],
    attempt: u32,
    state: EventState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::new("UPDATE lifecycle_events FORCE INDEX (PRIMARY) SET attempts = ");
    query.push_bind(attempt).push(", state = ").push_bind(state.as_str());
    query.push(", settled_at = ").push_bind(now);
    query
        .push(" WHERE state = 'waiting' AND attempts = ")
        .push_bind(attempt.saturating_sub(1))
        .push(" AND id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    expect_rows(&query.build().execute(conn).await?, ids.len(), WAITING_EVENT)
}

/// Resets an event for another delivery with all its attempts.
pub async fn start_again(conn: &mut Conn, id: EventId) -> StoreResult<()> {
    sqlx::query(
        "UPDATE lifecycle_events SET state = 'waiting', attempts = 0, settled_at = NULL WHERE id = ?",
    )
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes at most `limit` events of each final state whose delivery ended before `before`; returns how many. A waiting event
/// stays, and so does one that was replayed lately.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut pruned = 0;
    for state in [EventState::Delivered, EventState::Refused, EventState::Failed, EventState::Unaddressed] {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM lifecycle_events FORCE INDEX (lifecycle_events_state)
             WHERE state = ? AND happened_at < ? AND COALESCE(settled_at, happened_at) < ?
             ORDER BY happened_at LIMIT ?",
        )
        .bind(state.as_str())
        .bind(before)
        .bind(before)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        if ids.is_empty() {
            continue;
        }
        let mut query = QueryBuilder::new("DELETE FROM lifecycle_events WHERE state = ");
        query.push_bind(state.as_str()).push(" AND id");
        push_in(&mut query, ids);
        pruned += query.build().execute(&mut *conn).await?.rows_affected();
    }
    Ok(pruned)
}
