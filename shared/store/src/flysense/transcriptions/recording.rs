//! Writes of `transcriptions` about the recording: what its note says, how far it is, what decoding measured.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::id::TranscriptionId;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// What a call note and its download say of the recording.
#[derive(Debug, Clone, Copy)]
pub struct NoteFacts<'a> {
    /// `incoming` or `outgoing`.
    pub direction: Option<&'a str>,
    /// When the note was made.
    pub called_at: DateTime<Utc>,
    /// How long the call was, seconds.
    pub duration_s: Option<u32>,
    /// Whether the host promised more than it gave.
    pub is_short: bool,
}

/// Notes what the call note says, and whether its recording came short.
pub async fn set_note(conn: &mut Conn, id: TranscriptionId, note: NoteFacts<'_>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET direction = ?, called_at = ?, note_duration_s = ?, partial = ? WHERE id = ?",
    )
    .bind(note.direction)
    .bind(note.called_at)
    .bind(note.duration_s)
    .bind(note.is_short)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what a call waits for that waits for its recording.
pub async fn set_waits_for(conn: &mut Conn, id: TranscriptionId, reason: RecordingWait) -> StoreResult<()> {
    let noted =
        sqlx::query("UPDATE transcriptions SET waits_for = ? WHERE id = ? AND state = 'waiting_for_link'")
            .bind(reason.code())
            .bind(id.to_string())
            .execute(conn)
            .await?;
    expect_one(&noted, "transcription")
}

/// Sets a version of the recording aside: what comes next has files of its own. [`crate::StoreError::Stale`] if `version`
/// is not the present one.
pub async fn set_aside_recording(conn: &mut Conn, id: TranscriptionId, version: u32) -> StoreResult<()> {
    let aside = sqlx::query(
        "UPDATE transcriptions SET recording_version = recording_version + 1 WHERE id = ? AND recording_version = ?",
    )
    .bind(id.to_string())
    .bind(version)
    .execute(conn)
    .await?;
    expect_one(&aside, "transcription")
}

/// What decoding measured.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    /// True length.
    pub duration_ms: u64,
    /// Channels of the audio that will be recognised.
    pub channels: u16,
    /// `mono`, `stereo`, `doubled_mono`.
    pub layout: &'a str,
    /// `WAV`, `OGG_OPUS`, `MP3`.
    pub container: &'a str,
    /// Whether the recording was cut off.
    pub partial: bool,
}

/// Notes what decoding measured.
pub async fn set_prepared(conn: &mut Conn, id: TranscriptionId, prepared: Prepared<'_>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET duration_ms = ?, channels = ?, layout = ?, container = ?, partial = ? WHERE id = ?",
    )
    .bind(prepared.duration_ms)
    .bind(prepared.channels)
    .bind(prepared.layout)
    .bind(prepared.container)
    .bind(prepared.partial)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}
