//! Table `lifecycle_attempts`: attempts to deliver events.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::events::{AttemptOutcome, EventKind};
use sqlx::QueryBuilder;

use crate::listed::in_few_lengths;
use crate::{Conn, StoreResult, TextColumn};

/// Maximum length of a stored error, in characters.
const MAX_ERROR_LEN: usize = 200;
/// Maximum length of a stored response, in characters.
const MAX_ANSWER_HEAD_LEN: usize = 500;

/// An attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Attempt {
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Duration, ms.
    pub took_ms: u32,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The error, if there was no response.
    pub error: Option<String>,
    /// The beginning of the response body.
    pub answer_head: Option<String>,
    /// Whether the worker stopped during the attempt, so that its response is unknown; `took_ms` is 0 then.
    pub interrupted: bool,
}

/// An attempt to be logged.
#[derive(Debug, Clone, Copy)]
pub struct NewAttempt<'a> {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Row of `lifecycle_events`.
    pub event_id: EventId,
    /// What happened in the delivery.
    pub attempt: &'a Attempt,
}

/// Stores one attempt; texts that are too long are cut.
pub async fn insert(
    conn: &mut Conn,
    widget_id: WidgetId,
    event_id: EventId,
    attempt: &Attempt,
) -> StoreResult<()> {
    insert_all(conn, &[NewAttempt { widget_id, event_id, attempt }]).await
}

/// Stores attempts in few statements; texts that are too long are cut.
pub async fn insert_all(conn: &mut Conn, attempts: &[NewAttempt<'_>]) -> StoreResult<()> {
    let cut = |text: &String, most: usize| text.chars().take(most).collect::<String>();
    for rows in in_few_lengths(attempts) {
        let mut query = QueryBuilder::new(
            "INSERT INTO lifecycle_attempts (widget_id, event_id, attempt, started_at, took_ms, status, error,
                                             answer_head, interrupted) ",
        );
        query.push_values(rows, |mut row, NewAttempt { widget_id, event_id, attempt }| {
            row.push_bind(widget_id.to_string())
                .push_bind(event_id.to_string())
                .push_bind(attempt.attempt)
                .push_bind(attempt.started_at)
                .push_bind(attempt.took_ms)
                .push_bind(attempt.status)
                .push_bind(attempt.error.as_ref().map(|error| cut(error, MAX_ERROR_LEN)))
                .push_bind(attempt.answer_head.as_ref().map(|head| cut(head, MAX_ANSWER_HEAD_LEN)))
                .push_bind(attempt.interrupted);
        });
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Lists the attempts of an event, in order.
pub async fn list(conn: &mut Conn, event_id: EventId) -> StoreResult<Vec<Attempt>> {
    Ok(sqlx::query_as(
        "SELECT attempt, started_at, took_ms, status, error, answer_head, interrupted FROM lifecycle_attempts
         WHERE event_id = ? ORDER BY id",
    )
    .bind(event_id.to_string())
    .fetch_all(conn)
    .await?)
}

/// An attempt of the widget's delivery log, with its event.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LoggedAttempt {
    /// Number of the row.
    pub id: u64,
    /// Row of `lifecycle_events`.
    #[sqlx(try_from = "String")]
    pub event_id: EventId,
    /// Chooses the URL and the shape of the data.
    #[sqlx(try_from = "TextColumn", rename = "type")]
    pub kind: EventKind,
    /// The install that the event is about.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// The install's account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// What happened in the delivery.
    #[sqlx(flatten)]
    pub attempt: Attempt,
}

/// Selects attempts of a widget.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttemptFilter {
    /// Only attempts for events of this install.
    pub install_id: Option<InstallId>,
    /// Only attempts for events of this kind.
    pub kind: Option<EventKind>,
    /// Only attempts with this outcome.
    pub outcome: Option<AttemptOutcome>,
    /// Only attempts that started at or after this time.
    pub from: Option<DateTime<Utc>>,
    /// Only attempts that started before this time.
    pub until: Option<DateTime<Utc>>,
}

const SELECT_LOG: &str =
    "SELECT a.id, a.event_id, e.type, e.install_id, e.account_id, a.attempt, a.started_at, a.took_ms,
            a.status, a.error, a.answer_head, a.interrupted
     FROM lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id WHERE a.widget_id = ";

/// Lists the newest `limit` attempts of a widget before row `before` (`None`: the newest of all).
pub async fn list_log(
    conn: &mut Conn,
    widget_id: WidgetId,
    filter: &AttemptFilter,
    before: Option<u64>,
    limit: u32,
) -> StoreResult<Vec<LoggedAttempt>> {
    let mut query = QueryBuilder::new(SELECT_LOG);
    query.push_bind(widget_id.to_string());
    if let Some(before) = before {
        query.push(" AND a.id < ").push_bind(before);
    }
    if let Some(install) = filter.install_id {
        query.push(" AND e.install_id = ").push_bind(install.to_string());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND e.type = ").push_bind(kind.as_str());
    }
    if let Some(from) = filter.from {
        query.push(" AND a.started_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" AND a.started_at < ").push_bind(until);
    }
    match filter.outcome {
        None => {}
        Some(AttemptOutcome::Delivered) => {
            query.push(" AND a.status BETWEEN 200 AND 299");
        }
        Some(AttemptOutcome::Refused) => {
            query.push(" AND a.status = 410");
        }
        Some(AttemptOutcome::Interrupted) => {
            query.push(" AND a.interrupted");
        }
        Some(AttemptOutcome::Failed) => {
            query.push(
                " AND NOT a.interrupted AND (a.status IS NULL OR a.status <> 410 AND a.status NOT BETWEEN 200 AND 299)",
            );
        }
    }
    query.push(" ORDER BY a.id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Deletes those of the `limit` oldest attempts that started before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    // By id, which grows with time: an index of times would cost every attempt.
    let last: Option<u64> = sqlx::query_scalar(
        "SELECT MAX(id) FROM (SELECT id, started_at FROM lifecycle_attempts ORDER BY id LIMIT ?) AS oldest
         WHERE started_at < ?",
    )
    .bind(limit)
    .bind(before)
    .fetch_one(&mut *conn)
    .await?;
    let Some(last) = last else { return Ok(0) };
    let pruned =
        sqlx::query("DELETE FROM lifecycle_attempts WHERE id <= ? AND started_at < ? ORDER BY id LIMIT ?")
            .bind(last)
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await?;
    Ok(pruned.rows_affected())
}
