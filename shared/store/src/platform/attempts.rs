//! Table `lifecycle_attempts`: every attempt to deliver an event.

use chrono::{DateTime, Utc};
use flysk_domain::id::EventId;

use crate::{Conn, StoreResult};

/// How much of an answer is kept, in characters.
const LONGEST_HEAD: usize = 500;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Attempt {
    /// Which one of the event's, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub took_ms: u32,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer_head: Option<String>,
}

/// Writes an attempt.
pub async fn insert(conn: &mut Conn, event_id: EventId, attempt: &Attempt) -> StoreResult<()> {
    let cut = |text: &String, most: usize| text.chars().take(most).collect::<String>();
    sqlx::query(
        "INSERT INTO lifecycle_attempts (event_id, attempt, started_at, took_ms, status, error, answer_head)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event_id.to_string())
    .bind(attempt.attempt)
    .bind(attempt.started_at)
    .bind(attempt.took_ms)
    .bind(attempt.status)
    .bind(attempt.error.as_ref().map(|error| cut(error, 200)))
    .bind(attempt.answer_head.as_ref().map(|head| cut(head, LONGEST_HEAD)))
    .execute(conn)
    .await?;
    Ok(())
}

/// The attempts of an event, the first first.
pub async fn list(conn: &mut Conn, event_id: EventId) -> StoreResult<Vec<Attempt>> {
    Ok(sqlx::query_as(
        "SELECT attempt, started_at, took_ms, status, error, answer_head FROM lifecycle_attempts
         WHERE event_id = ? ORDER BY id",
    )
    .bind(event_id.to_string())
    .fetch_all(conn)
    .await?)
}
