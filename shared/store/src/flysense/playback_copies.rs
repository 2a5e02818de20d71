//! Table `flysense_playback_copies`: copies of recordings that browsers can play and seek.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::id::{AccountId, TranscriptionId};

use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Progress of a player copy; stored as text.
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
pub enum CopyState {
    /// A job makes it.
    Preparing,
    /// In object storage.
    Ready,
    /// The copy could not be made.
    Failed,
}

/// A copy of a recording.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PlaybackCopy {
    /// Transcription of the call.
    #[sqlx(try_from = "String")]
    pub transcription_id: TranscriptionId,
    /// `Preparing` until its job has ended.
    #[sqlx(try_from = "TextColumn")]
    pub state: CopyState,
    /// Key of the object, if it is ready.
    pub object_key: Option<String>,
    /// Media type, if it is ready.
    pub media_type: Option<String>,
    /// Size, if it is ready.
    pub bytes: Option<u64>,
    failure_code: Option<String>,
    failure_cause: Option<String>,
    /// End of the copy, or of waiting before the next attempt.
    pub expires_at: DateTime<Utc>,
}

impl PlaybackCopy {
    /// Why it could not be made.
    pub fn failure_code(&self) -> Option<FailureCode> {
        self.failure_code.as_deref().map(|code| code.parse().unwrap_or(FailureCode::Internal))
    }

    /// The exact reason, if known.
    pub fn failure_cause(&self) -> Option<FailureCause> {
        self.failure_cause.as_deref().and_then(|cause| cause.parse().ok())
    }
}

const SELECT: &str =
    "SELECT transcription_id, state, object_key, media_type, bytes, failure_code, failure_cause, expires_at
     FROM flysense_playback_copies WHERE ";

/// Finds the copy of a transcription's recording.
pub async fn find(conn: &mut Conn, id: TranscriptionId) -> StoreResult<Option<PlaybackCopy>> {
    Ok(sqlx::query_as(sql!(SELECT, "transcription_id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Begins a copy, or begins an expired or failed one again.
pub async fn begin(
    conn: &mut Conn,
    id: TranscriptionId,
    account_id: AccountId,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO flysense_playback_copies (transcription_id, account_id, state, expires_at, created_at, updated_at)
         VALUES (?, ?, 'preparing', ?, ?, ?)
         ON DUPLICATE KEY UPDATE state = 'preparing', object_key = NULL, failure_code = NULL, failure_cause = NULL,
                                 expires_at = VALUES(expires_at), updated_at = VALUES(updated_at)",
    )
    .bind(id.to_string())
    .bind(account_id.0)
    .bind(expires_at)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The object of a finished copy.
#[derive(Debug, Clone, Copy)]
pub struct ReadyCopy<'a> {
    /// Under which the copy is in object storage.
    pub object_key: &'a str,
    /// Value of `Content-Type` for the player.
    pub media_type: &'a str,
    /// Size.
    pub bytes: u64,
    /// When it is deleted.
    pub expires_at: DateTime<Utc>,
}

/// Marks a copy as ready; [`crate::StoreError::WrongState`] if it is not being made.
pub async fn finish(
    conn: &mut Conn,
    id: TranscriptionId,
    ready: ReadyCopy<'_>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let finished = sqlx::query(
        "UPDATE flysense_playback_copies SET state = 'ready', object_key = ?, media_type = ?, bytes = ?, expires_at = ?,
                updated_at = ?
         WHERE transcription_id = ? AND state = 'preparing'",
    )
    .bind(ready.object_key)
    .bind(ready.media_type)
    .bind(ready.bytes)
    .bind(ready.expires_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&finished, "playback copy")
}

/// Marks a copy as failed; it may be tried again at `expires_at`. Changes nothing if it is not being made.
pub async fn fail(
    conn: &mut Conn,
    id: TranscriptionId,
    failure: (FailureCode, Option<FailureCause>),
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_playback_copies SET state = 'failed', failure_code = ?, failure_cause = ?, expires_at = ?,
                updated_at = ?
         WHERE transcription_id = ? AND state = 'preparing'",
    )
    .bind(failure.0.code())
    .bind(failure.1.map(FailureCause::code))
    .bind(expires_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists at most `limit` copies that expired before `now`.
pub async fn list_expired(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<PlaybackCopy>> {
    Ok(sqlx::query_as(sql!(SELECT, "expires_at < ? ORDER BY expires_at LIMIT ?"))
        .bind(now)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Those of the transcriptions that have a row, in any state.
pub async fn list_known(conn: &mut Conn, ids: &[TranscriptionId]) -> StoreResult<Vec<TranscriptionId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT transcription_id FROM flysense_playback_copies WHERE transcription_id",
    );
    push_in(&mut query, ids.iter().map(ToString::to_string));
    let known: Vec<String> = query.build_query_scalar().fetch_all(conn).await?;
    Ok(known.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Deletes the row of a copy that is still expired.
pub async fn delete_expired(conn: &mut Conn, id: TranscriptionId, now: DateTime<Utc>) -> StoreResult<bool> {
    let deleted =
        sqlx::query("DELETE FROM flysense_playback_copies WHERE transcription_id = ? AND expires_at < ?")
            .bind(id.to_string())
            .bind(now)
            .execute(conn)
            .await?;
    Ok(deleted.rows_affected() > 0)
}
