//! Table `flysense_events`: records of amoCRM's feed, and the call notes behind them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::record::AmocrmEventId;
use flysk_domain::id::{AccountId, EntityId, NoteId, UserId};

use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Whether amoCRM was asked for the note of a feed event; stored as text.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = flysk_domain::UnknownText,
    parse_err_fn = flysk_domain::UnknownText::of::<Self>
)]
pub enum EventState {
    /// amoCRM has not been asked yet.
    Pending,
    /// The note is known.
    Resolved,
    /// amoCRM has no such event, or it is not about a call.
    Absent,
}

/// An event of amoCRM's log.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EventRow {
    /// amoCRM's id, under which the feed shows the event.
    #[sqlx(try_from = "String")]
    pub event_id: AmocrmEventId,
    /// `Pending` until amoCRM was asked about it.
    #[sqlx(try_from = "TextColumn")]
    pub state: EventState,
    /// Type of the card with the note, once known.
    #[sqlx(try_from = "TextColumn")]
    pub entity_type: Option<EntityType>,
    entity_id: Option<u64>,
    note_id: Option<u64>,
    requested_by: Option<u64>,
    /// Number of answers that it does not exist.
    pub misses: u32,
}

impl EventRow {
    /// Id of the card with the note, once known.
    pub fn entity_id(&self) -> Option<EntityId> {
        self.entity_id.map(EntityId)
    }

    /// The call note, once known.
    pub fn note_id(&self) -> Option<NoteId> {
        self.note_id.map(NoteId)
    }

    /// The user who waits for a transcription.
    pub fn requested_by(&self) -> Option<UserId> {
        self.requested_by.map(UserId)
    }
}

const SELECT: &str = "SELECT event_id, state, entity_type, entity_id, note_id, requested_by, misses
     FROM flysense_events WHERE account_id = ";

/// Finds the known events among `ids`.
pub async fn find(
    conn: &mut Conn,
    account_id: AccountId,
    ids: &[AmocrmEventId],
) -> StoreResult<HashMap<AmocrmEventId, EventRow>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = sqlx::QueryBuilder::new(SELECT);
    query.push_bind(account_id.0).push(" AND event_id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    let rows: Vec<EventRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.event_id.clone(), row)).collect())
}

/// Number of events of the account in `state`; counts at most `limit`.
pub async fn count_in_state(
    conn: &mut Conn,
    account_id: AccountId,
    state: EventState,
    limit: u32,
) -> StoreResult<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT event_id FROM flysense_events WHERE account_id = ? AND state = ? LIMIT ?)
             AS counted",
    )
    .bind(account_id.0)
    .bind(state.as_str())
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(count.unsigned_abs())
}

/// Inserts events as pending; known ones stay as they are.
pub async fn insert_pending(
    conn: &mut Conn,
    account_id: AccountId,
    ids: &[AmocrmEventId],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    for chunk in ids.chunks(100) {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO flysense_events (account_id, event_id, state, created_at, updated_at) ",
        );
        query.push_values(chunk, |mut row, id| {
            row.push_bind(account_id.0)
                .push_bind(id.to_string())
                .push_bind("pending")
                .push_bind(now)
                .push_bind(now);
        });
        query.push(" ON DUPLICATE KEY UPDATE event_id = VALUES(event_id)");
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Records that a user waits for the transcription of a pending event. `false` if it is not pending.
pub async fn request(
    conn: &mut Conn,
    account_id: AccountId,
    id: &AmocrmEventId,
    by: UserId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let requested = sqlx::query(
        "UPDATE flysense_events SET requested_by = ?, requested_at = ?, updated_at = ?
         WHERE account_id = ? AND event_id = ? AND state = 'pending'",
    )
    .bind(by.0)
    .bind(now)
    .bind(now)
    .bind(account_id.0)
    .bind(id.as_str())
    .execute(conn)
    .await?;
    Ok(requested.rows_affected() == 1)
}

/// Lists at most `limit` pending events: those that users wait for first, then the newest.
pub async fn list_pending(conn: &mut Conn, account_id: AccountId, limit: u32) -> StoreResult<Vec<EventRow>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "? AND state = 'pending' ORDER BY requested_at IS NULL, requested_at, misses, event_id DESC LIMIT ?"
    ))
    .bind(account_id.0)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Finds an event and locks its row until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    account_id: AccountId,
    id: &AmocrmEventId,
) -> StoreResult<Option<EventRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "? AND event_id = ? FOR UPDATE"))
        .bind(account_id.0)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?)
}

/// Stores the note of a pending event.
pub async fn resolve(
    conn: &mut Conn,
    account_id: AccountId,
    id: &AmocrmEventId,
    note: (EntityType, EntityId, NoteId),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let resolved = sqlx::query(
        "UPDATE flysense_events SET state = 'resolved', entity_type = ?, entity_id = ?, note_id = ?, updated_at = ?
         WHERE account_id = ? AND event_id = ? AND state = 'pending'",
    )
    .bind(note.0.code())
    .bind(note.1.0)
    .bind(note.2.0)
    .bind(now)
    .bind(account_id.0)
    .bind(id.as_str())
    .execute(conn)
    .await?;
    expect_one(&resolved, "event")
}

/// Counts an answer that the event does not exist; after `max_misses` of them it is absent.
pub async fn miss(
    conn: &mut Conn,
    account_id: AccountId,
    id: &AmocrmEventId,
    max_misses: u32,
    now: DateTime<Utc>,
) -> StoreResult<EventState> {
    // MySQL evaluates assignments in order: `misses` is the new number in the second one.
    let missed = sqlx::query(
        "UPDATE flysense_events SET misses = misses + 1, state = IF(misses >= ?, 'absent', 'pending'), updated_at = ?
         WHERE account_id = ? AND event_id = ? AND state = 'pending'",
    )
    .bind(max_misses)
    .bind(now)
    .bind(account_id.0)
    .bind(id.as_str())
    .execute(&mut *conn)
    .await?;
    expect_one(&missed, "event")?;
    let state: String =
        sqlx::query_scalar("SELECT state FROM flysense_events WHERE account_id = ? AND event_id = ?")
            .bind(account_id.0)
            .bind(id.as_str())
            .fetch_one(conn)
            .await?;
    Ok(if state == EventState::Absent.as_str() { EventState::Absent } else { EventState::Pending })
}

/// Deletes at most `limit` events that have been in `state` since before `before`; returns how many. An event that is looked
/// up again is asked for again.
pub async fn prune(
    conn: &mut Conn,
    state: EventState,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u64> {
    let pruned = sqlx::query(
        "DELETE FROM flysense_events WHERE state = ? AND updated_at < ? ORDER BY updated_at LIMIT ?",
    )
    .bind(state.as_str())
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}
