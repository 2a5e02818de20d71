//! Reads of `transcriptions`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, NoteId, TranscriptionId};

use super::Transcription;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

const SELECT_FROM: &str = "SELECT id, account_id, install_id, entity_type, entity_id, note_id, state, failure_code, failure_cause, waits_for,
            run, requested_by, direction, called_at, note_duration_s, recording_version, runs_since, runs_counted,
            duration_ms, channels, layout, container, partial, object_key, operation_id,
            submits, submitted_at, billed_seconds, left_channel, roles_swapped, tags, summary, summary_source,
            summary_edited_by, summary_written, labels, labels_added, labels_removed, sentiment, version, correlation_id, traceparent, created_at, updated_at, finished_at
     FROM transcriptions ";
const SELECT: &str = sql!(SELECT_FROM, "WHERE ");

/// Finds a transcription of an account.
pub async fn find(
    conn: &mut Conn,
    account_id: AccountId,
    id: TranscriptionId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? AND id = ?"))
        .bind(account_id.0)
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds a transcription and locks its row until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    account_id: AccountId,
    id: TranscriptionId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? AND id = ? FOR UPDATE"))
        .bind(account_id.0)
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds the transcription of a note and locks its row until the transaction ends.
pub async fn find_by_note(
    conn: &mut Conn,
    account_id: AccountId,
    note_id: NoteId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? AND note_id = ? FOR UPDATE"))
        .bind(account_id.0)
        .bind(note_id.0)
        .fetch_optional(conn)
        .await?)
}

/// Finds the transcriptions of notes.
pub async fn find_by_notes(
    conn: &mut Conn,
    account_id: AccountId,
    notes: &[NoteId],
) -> StoreResult<Vec<Transcription>> {
    if notes.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(SELECT);
    query.push("account_id = ").push_bind(account_id.0).push(" AND note_id");
    push_in(&mut query, notes.iter().map(|note| note.0));
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Number of transcriptions of an account since `since` that no user requested, at most `limit`. Cancelled ones do
/// not count.
pub async fn count_automatic(
    conn: &mut Conn,
    account_id: AccountId,
    since: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u32> {
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT id FROM transcriptions
             WHERE account_id = ? AND created_at >= ? AND requested_by IS NULL AND state <> 'cancelled'
             LIMIT ?) AS automatic",
    )
    .bind(account_id.0)
    .bind(since)
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(counted).unwrap_or(u32::MAX))
}

/// Returns the notes without a transcription in the account.
pub async fn unknown_notes(
    conn: &mut Conn,
    account_id: AccountId,
    notes: &[NoteId],
) -> StoreResult<Vec<NoteId>> {
    if notes.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new("SELECT note_id FROM transcriptions WHERE account_id = ");
    query.push_bind(account_id.0).push(" AND note_id");
    push_in(&mut query, notes.iter().map(|note| note.0));
    let known: Vec<u64> = query.build_query_scalar().fetch_all(conn).await?;
    Ok(notes.iter().copied().filter(|note| !known.contains(&note.0)).collect())
}

/// Lists at most `limit` transcriptions of a card, newest first, older than `before`.
///
/// The index is named, because for a short page of an account with many calls a server may prefer to search all of them in
/// the order of their ids.
pub async fn list_by_entity(
    conn: &mut Conn,
    account_id: AccountId,
    entity_type: EntityType,
    entity_id: EntityId,
    before: Option<TranscriptionId>,
    limit: u32,
) -> StoreResult<Vec<Transcription>> {
    Ok(sqlx::query_as(sql!(
        SELECT_FROM,
        "FORCE INDEX (transcriptions_entity) WHERE account_id = ? AND entity_type = ? AND entity_id = ?
             AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
    ))
    .bind(account_id.0)
    .bind(entity_type.code())
    .bind(entity_id.0)
    .bind(before.map(|id| id.to_string()))
    .bind(before.map(|id| id.to_string()))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Lists at most `limit` running recognitions after `after`, by id: transcription, account, time of submission.
pub async fn in_flight(
    conn: &mut Conn,
    after: Option<TranscriptionId>,
    limit: u32,
) -> StoreResult<Vec<(TranscriptionId, AccountId, DateTime<Utc>)>> {
    let rows: Vec<(String, u64, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, account_id, COALESCE(submitted_at, updated_at) FROM transcriptions
         WHERE state = 'recognizing' AND (? IS NULL OR id > ?) ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()))
    .bind(after.map(|id| id.to_string()))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let known = |(id, account, since): (String, u64, DateTime<Utc>)| {
        Some((id.parse().ok()?, AccountId(account), since))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// States of the existing transcriptions among `ids`, with the time of their last change.
pub async fn known_states(
    conn: &mut Conn,
    ids: &[TranscriptionId],
) -> StoreResult<Vec<(TranscriptionId, TranscriptionState, DateTime<Utc>)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new("SELECT id, state, updated_at FROM transcriptions WHERE id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    let rows: Vec<(String, String, DateTime<Utc>)> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, state, at)| Some((id.parse().ok()?, state.parse().ok()?, at)))
        .collect())
}
