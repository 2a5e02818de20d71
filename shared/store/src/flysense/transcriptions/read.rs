//! Reads of `transcriptions`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, NoteId, TranscriptionId};

use super::Transcription;
use crate::listed::push_in;
use crate::{Conn, StoreResult};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, install_id, entity_type, entity_id, note_id, state, failure_code, failure_cause, waits_for,
                    run, requested_by, direction, called_at, note_duration_s, recording_version, runs_since, runs_counted,
                    duration_ms, channels, layout, container, partial, object_key, operation_id,
                    submits, submitted_at, billed_seconds, left_channel, roles_swapped, tags, summary, summary_source,
                    summary_edited_by, sentiment, version, correlation_id, traceparent, created_at, updated_at, finished_at
             FROM transcriptions WHERE ",
            $rest
        )
    };
}

/// One transcription of an account; another account's is not found.
pub async fn find(
    conn: &mut Conn,
    account_id: AccountId,
    id: TranscriptionId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(select!("account_id = ? AND id = ?"))
        .bind(account_id.0)
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// One transcription, locked for the rest of the transaction.
pub async fn lock(
    conn: &mut Conn,
    account_id: AccountId,
    id: TranscriptionId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(select!("account_id = ? AND id = ? FOR UPDATE"))
        .bind(account_id.0)
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// The transcription of a note, locked for the rest of the transaction.
pub async fn find_by_note(
    conn: &mut Conn,
    account_id: AccountId,
    note_id: NoteId,
) -> StoreResult<Option<Transcription>> {
    Ok(sqlx::query_as(select!("account_id = ? AND note_id = ? FOR UPDATE"))
        .bind(account_id.0)
        .bind(note_id.0)
        .fetch_optional(conn)
        .await?)
}

/// Those of `notes` that the account has no transcription of.
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

/// At most `limit` transcriptions of an entity, youngest first, older than `before`.
pub async fn list_by_entity(
    conn: &mut Conn,
    account_id: AccountId,
    entity_type: &str,
    entity_id: EntityId,
    before: Option<TranscriptionId>,
    limit: u32,
) -> StoreResult<Vec<Transcription>> {
    Ok(sqlx::query_as(select!(
        "account_id = ? AND entity_type = ? AND entity_id = ? AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
    ))
    .bind(account_id.0)
    .bind(entity_type)
    .bind(entity_id.0)
    .bind(before.map(|id| id.to_string()))
    .bind(before.map(|id| id.to_string()))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// At most `limit` recognitions under way after `after`, in the order of ids: which, whose, and since when.
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

/// The states of those of `ids` that exist, and when they last changed.
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
