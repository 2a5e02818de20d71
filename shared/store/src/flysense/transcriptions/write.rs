//! Writes of `transcriptions`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::labels::{Label, RecognizedLabel};
use flysk_domain::flysense::roles::Role;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::SummaryProvenance;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_domain::trace::Trace;
use sqlx::types::Json;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// A transcription to be inserted.
#[derive(Debug)]
pub struct NewTranscription<'a> {
    /// `tr_…`, chosen by the caller.
    pub id: TranscriptionId,
    /// The amoCRM account.
    pub account_id: AccountId,
    /// FlySense's install in the account.
    pub install_id: InstallId,
    /// Type of the card that contains the note.
    pub entity_type: EntityType,
    /// Id of the card that contains the note.
    pub entity_id: EntityId,
    /// The call note.
    pub note_id: NoteId,
    /// The user who requested it; `None` if it starts automatically.
    pub requested_by: Option<UserId>,
    /// Role of the speaker on the left channel.
    pub left_channel: Role,
    /// Correlation with the request or hook that starts it.
    pub trace: &'a Trace,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Inserts a transcription; [`crate::StoreError::Duplicate`] if the note has one.
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
    .bind(new.entity_type.code())
    .bind(new.entity_id.0)
    .bind(new.note_id.0)
    .bind(new.requested_by.map(|user| user.0))
    .bind(new.left_channel.code())
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

/// Starts another run of a transcription that ended in `from`, correlated by `trace`.
pub async fn restart(
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

/// Moves a transcription from one state to another; other columns except `updated_at` do not change.
pub async fn transition(
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

/// Stores the key of the audio in the object storage.
pub async fn set_object_key(conn: &mut Conn, id: TranscriptionId, object_key: &str) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET object_key = ? WHERE id = ?")
        .bind(object_key)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Clears the key of the audio, so that the recording is downloaded again.
pub async fn clear_object_key(conn: &mut Conn, id: TranscriptionId) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET object_key = NULL, container = NULL WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts a submission before the request is sent.
///
/// The id of an earlier operation is cleared, because it does not belong to this submission.
pub async fn count_submit(conn: &mut Conn, id: TranscriptionId, now: DateTime<Utc>) -> StoreResult<()> {
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

/// Reverts the count of a submission that certainly had no effect; `former` is the operation known before it.
pub async fn uncount_submit(conn: &mut Conn, id: TranscriptionId, former: Option<&str>) -> StoreResult<()> {
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

/// Stores the id of SpeechKit's operation.
pub async fn set_operation(conn: &mut Conn, id: TranscriptionId, operation_id: &str) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET operation_id = ? WHERE id = ?")
        .bind(operation_id)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores the model's summary, its author (or why there is none), and the sentiment. A summary that a user has written is kept
/// and shown; the model's one is stored beside it.
pub async fn set_summary(
    conn: &mut Conn,
    id: TranscriptionId,
    summary: Option<&str>,
    provenance: SummaryProvenance,
    sentiment: Option<Sentiment>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET summary_written = IF(summary_edited_by IS NULL, NULL, ?),
                summary = IF(summary_edited_by IS NULL, ?, summary), summary_source = ?, sentiment = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(summary)
    .bind(summary)
    .bind(provenance.to_string())
    .bind(sentiment.map(Sentiment::code))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks a settling transcription as done.
pub async fn mark_done(
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

/// Marks a transcription as `no_speech`, which is not billed.
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

/// Marks a transcription as failed, which is not billed.
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

/// Stores the detailed cause of a failed download.
pub async fn set_failure_cause(conn: &mut Conn, id: TranscriptionId, cause: FailureCause) -> StoreResult<()> {
    let noted = sqlx::query("UPDATE transcriptions SET failure_cause = ? WHERE id = ? AND state = 'failed'")
        .bind(cause.code())
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&noted, "transcription")
}

/// Marks a transcription as cancelled by a user. `billed_seconds` are paid if the recognition was ordered.
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

/// Records that the recognition of a cancelled run is not billed; a later run stays as it is.
pub async fn clear_billed_seconds(
    conn: &mut Conn,
    id: TranscriptionId,
    run: u32,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET billed_seconds = 0, updated_at = ? WHERE id = ? AND run = ? AND state = 'cancelled'",
    )
    .bind(now)
    .bind(id.to_string())
    .bind(run)
    .execute(conn)
    .await?;
    Ok(())
}

/// A user's changes. `None` leaves a part unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Edit<'a> {
    /// Replaces the text of the language model.
    pub summary: Option<&'a str>,
    /// Replaces all tags of the transcript.
    pub tags: Option<&'a [String]>,
    /// All labels that the recogniser did not find.
    pub labels_added: Option<&'a [Label]>,
    /// All labels of the recogniser that are wrong.
    pub labels_removed: Option<&'a [Label]>,
}

/// Applies a user's changes; [`crate::StoreError::WrongState`] if `version` is outdated. The summary before the first edit
/// is kept.
pub async fn edit(
    conn: &mut Conn,
    id: TranscriptionId,
    version: u32,
    edit: Edit<'_>,
    editor: UserId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let codes =
        |labels: &[Label]| Json(labels.iter().map(|label| label.code().to_owned()).collect::<Vec<_>>());
    // MySQL evaluates assignments in order: the old summary is kept before it is replaced.
    let edited = sqlx::query(
        "UPDATE transcriptions SET summary_written = IF(? IS NULL OR summary_edited_by IS NOT NULL, summary_written, summary),
                summary_edited_by = IF(? IS NULL, summary_edited_by, ?), summary = COALESCE(?, summary),
                tags = COALESCE(?, tags), labels_added = COALESCE(?, labels_added),
                labels_removed = COALESCE(?, labels_removed), version = version + 1, updated_at = ?
         WHERE id = ? AND version = ?",
    )
    .bind(edit.summary)
    .bind(edit.summary)
    .bind(editor.0)
    .bind(edit.summary)
    .bind(edit.tags.map(Json))
    .bind(edit.labels_added.map(codes))
    .bind(edit.labels_removed.map(codes))
    .bind(now)
    .bind(id.to_string())
    .bind(version)
    .execute(conn)
    .await?;
    expect_one(&edited, "transcription")
}

/// Stores what the recogniser found. Corrections of an earlier run concern other words and are dropped.
pub async fn set_labels(conn: &mut Conn, id: TranscriptionId, labels: &[RecognizedLabel]) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET labels = ?, labels_added = NULL, labels_removed = NULL WHERE id = ?",
    )
    .bind(Json(labels))
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets whether operator and client are swapped; [`crate::StoreError::WrongState`] if `version` is outdated.
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
