//! Writes of `transcriptions`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_domain::trace::Trace;
use sqlx::types::Json;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// A call to be transcribed.
#[derive(Debug)]
pub struct NewTranscription<'a> {
    /// Its id.
    pub id: TranscriptionId,
    /// The amoCRM account.
    pub account_id: AccountId,
    /// FlySense's install there.
    pub install_id: InstallId,
    /// `leads`, `contacts`, `companies`, `customers`.
    pub entity_type: &'a str,
    /// Whose card the note is in.
    pub entity_id: EntityId,
    /// The call note.
    pub note_id: NoteId,
    /// Who asked; `None` if it came by itself.
    pub requested_by: Option<UserId>,
    /// Who speaks on the left channel.
    pub left_channel: &'a str,
    /// The thread everything about the call hangs on.
    pub trace: &'a Trace,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Writes a transcription; [`crate::StoreError::Taken`] if the note has one.
pub async fn insert(conn: &mut Conn, new: &NewTranscription<'_>) -> StoreResult<()> {
    let first = RunCount::first(new.now);
    sqlx::query(
        "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state, requested_by,
                                     left_channel, tags, correlation_id, traceparent, runs_since, runs_counted, created_at,
                                     updated_at)
         VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.account_id.0)
    .bind(new.install_id.to_string())
    .bind(new.entity_type)
    .bind(new.entity_id.0)
    .bind(new.note_id.0)
    .bind(new.requested_by.map(|user| user.0))
    .bind(new.left_channel)
    .bind(Json(Vec::<String>::new()))
    .bind(&new.trace.correlation_id)
    .bind(new.trace.traceparent.as_deref())
    .bind(first.since)
    .bind(first.runs)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Starts another run of one that ended without a transcript; it hangs on the thread `trace`.
pub async fn ask_again(
    conn: &mut Conn,
    id: TranscriptionId,
    from: TranscriptionState,
    trace: &Trace,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let again = sqlx::query(
        "UPDATE transcriptions SET state = 'queued', failure_code = NULL, failure_cause = NULL, waits_for = NULL,
                run = run + 1, note_duration_s = NULL, recording_version = 1, duration_ms = NULL, channels = NULL,
                layout = NULL, container = NULL, partial = FALSE, object_key = NULL, operation_id = NULL, submits = 0,
                submitted_at = NULL, billed_seconds = NULL, correlation_id = ?, traceparent = ?, updated_at = ?,
                finished_at = NULL
         WHERE id = ? AND state = ?",
    )
    .bind(&trace.correlation_id)
    .bind(trace.traceparent.as_deref())
    .bind(now)
    .bind(id.to_string())
    .bind(from.code())
    .execute(conn)
    .await?;
    expect_one(&again, "transcription")
}

/// Moves from one state to the next. Nothing else of the row changes.
pub async fn move_on(
    conn: &mut Conn,
    id: TranscriptionId,
    from: TranscriptionState,
    to: TranscriptionState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let moved = sqlx::query("UPDATE transcriptions SET state = ?, updated_at = ? WHERE id = ? AND state = ?")
        .bind(to.code())
        .bind(now)
        .bind(id.to_string())
        .bind(from.code())
        .execute(conn)
        .await?;
    expect_one(&moved, "transcription")
}

/// Notes what SpeechKit is to read.
pub async fn set_object(conn: &mut Conn, id: TranscriptionId, object_key: &str) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET object_key = ? WHERE id = ?")
        .bind(object_key)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what SpeechKit was to read: the recording is to be had again.
pub async fn forget_object(conn: &mut Conn, id: TranscriptionId) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET object_key = NULL, container = NULL WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes, before the call, that it is being submitted once more.
///
/// What is known of an earlier operation says nothing about this one.
pub async fn note_submit(conn: &mut Conn, id: TranscriptionId, now: DateTime<Utc>) -> StoreResult<()> {
    let noted = sqlx::query(
        "UPDATE transcriptions SET submits = submits + 1, submitted_at = ?, operation_id = NULL
         WHERE id = ? AND state = 'submitting'",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&noted, "transcription")
}

/// Takes back a noted submit that certainly started nothing; `former` is the operation that was known before it.
pub async fn take_back_submit(conn: &mut Conn, id: TranscriptionId, former: Option<&str>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET submits = submits - 1, operation_id = ?
         WHERE id = ? AND state = 'submitting' AND submits > 0",
    )
    .bind(former)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes SpeechKit's operation.
pub async fn set_operation(conn: &mut Conn, id: TranscriptionId, operation_id: &str) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET operation_id = ? WHERE id = ?")
        .bind(operation_id)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps the summary, where it came from (or why there is none), and the sentiment.
pub async fn set_summary(
    conn: &mut Conn,
    id: TranscriptionId,
    summary: Option<&str>,
    source: &str,
    sentiment: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET summary = ?, summary_source = ?, sentiment = ?, updated_at = ? WHERE id = ?")
        .bind(summary)
        .bind(source)
        .bind(sentiment)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends it well.
pub async fn settle(
    conn: &mut Conn,
    id: TranscriptionId,
    billed_seconds: u32,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let settled = sqlx::query(
        "UPDATE transcriptions SET state = 'done', billed_seconds = ?, updated_at = ?, finished_at = ?
         WHERE id = ? AND state = 'settling'",
    )
    .bind(billed_seconds)
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&settled, "transcription")
}

/// Ends it as "no speech", which costs nothing.
pub async fn finish_no_speech(
    conn: &mut Conn,
    id: TranscriptionId,
    from: TranscriptionState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let ended = sqlx::query(
        "UPDATE transcriptions SET state = 'no_speech', billed_seconds = 0, updated_at = ?, finished_at = ?
         WHERE id = ? AND state = ?",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .bind(from.code())
    .execute(conn)
    .await?;
    expect_one(&ended, "transcription")
}

/// Ends it as failed.
pub async fn fail(
    conn: &mut Conn,
    id: TranscriptionId,
    from: TranscriptionState,
    code: FailureCode,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let failed = sqlx::query(
        "UPDATE transcriptions SET state = 'failed', failure_code = ?, billed_seconds = 0, updated_at = ?, finished_at = ?
         WHERE id = ? AND state = ?",
    )
    .bind(code.code())
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .bind(from.code())
    .execute(conn)
    .await?;
    expect_one(&failed, "transcription")
}

/// Notes what exactly kept the recording of a failed call from us.
pub async fn set_failure_cause(conn: &mut Conn, id: TranscriptionId, cause: FailureCause) -> StoreResult<()> {
    let noted = sqlx::query("UPDATE transcriptions SET failure_cause = ? WHERE id = ? AND state = 'failed'")
        .bind(cause.code())
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&noted, "transcription")
}

/// Ends it because somebody stopped it; `billed_seconds` are paid for, if its recognition was ordered.
pub async fn cancel(
    conn: &mut Conn,
    id: TranscriptionId,
    from: TranscriptionState,
    billed_seconds: u32,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let cancelled = sqlx::query(
        "UPDATE transcriptions SET state = 'cancelled', billed_seconds = ?, updated_at = ?, finished_at = ?
         WHERE id = ? AND state = ?",
    )
    .bind(billed_seconds)
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .bind(from.code())
    .execute(conn)
    .await?;
    expect_one(&cancelled, "transcription")
}

/// A manager's edit of summary and tags; [`crate::StoreError::Stale`] if `version` is not the present one.
pub async fn edit(
    conn: &mut Conn,
    id: TranscriptionId,
    version: u32,
    summary: Option<&str>,
    tags: Option<&[String]>,
    editor: UserId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let edited = sqlx::query(
        "UPDATE transcriptions SET summary_edited_by = IF(? IS NULL, summary_edited_by, ?), summary = COALESCE(?, summary),
                tags = COALESCE(?, tags), version = version + 1, updated_at = ?
         WHERE id = ? AND version = ?",
    )
    .bind(summary)
    .bind(editor.0)
    .bind(summary)
    .bind(tags.map(Json))
    .bind(now)
    .bind(id.to_string())
    .bind(version)
    .execute(conn)
    .await?;
    expect_one(&edited, "transcription")
}

/// Swaps operator and client, or swaps them back; [`crate::StoreError::Stale`] if `version` is not the present one.
pub async fn set_channel_roles(
    conn: &mut Conn,
    id: TranscriptionId,
    version: u32,
    swapped: bool,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let set = sqlx::query(
        "UPDATE transcriptions SET roles_swapped = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
    )
    .bind(swapped)
    .bind(now)
    .bind(id.to_string())
    .bind(version)
    .execute(conn)
    .await?;
    expect_one(&set, "transcription")
}
