//! Writes of `transcriptions` about the recording: data of the note, readiness, results of decoding.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::audio::{AudioContainer, ChannelLayout};
use flysk_domain::flysense::call::Direction;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::id::TranscriptionId;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Data about the recording, from the call note and the download.
#[derive(Debug, Clone, Copy)]
pub struct NoteFacts {
    /// Direction of the call.
    pub direction: Option<Direction>,
    /// When the note was created.
    pub called_at: DateTime<Utc>,
    /// Duration of the call in seconds, if the note contains it.
    pub duration_s: Option<u32>,
    /// Whether the host sent fewer bytes than it announced.
    pub is_short: bool,
}

/// Stores the data of the call note and whether its recording is short.
pub async fn set_note(conn: &mut Conn, id: TranscriptionId, note: NoteFacts) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET direction = ?, called_at = ?, note_duration_s = ?, partial = ? WHERE id = ?",
    )
    .bind(note.direction.map(Direction::code))
    .bind(note.called_at)
    .bind(note.duration_s)
    .bind(note.is_short)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores what a waiting call needs before its recording can be used.
pub async fn set_waits_for(conn: &mut Conn, id: TranscriptionId, reason: RecordingWait) -> StoreResult<()> {
    let noted =
        sqlx::query("UPDATE transcriptions SET waits_for = ? WHERE id = ? AND state = 'waiting_for_link'")
            .bind(reason.code())
            .bind(id.to_string())
            .execute(conn)
            .await?;
    expect_one(&noted, "transcription")
}

/// Discards version `version` of the recording: the next one uses other files. [`crate::StoreError::WrongState`] if it is
/// not the current version.
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

/// Results of decoding.
#[derive(Debug, Clone, Copy)]
pub struct Prepared {
    /// Actual duration, ms.
    pub duration_ms: u64,
    /// Number of channels to be recognised.
    pub channels: u16,
    /// Distribution of the speakers over the recording's channels.
    pub layout: ChannelLayout,
    /// Format of the file to be recognised.
    pub container: AudioContainer,
    /// Whether the recording is truncated.
    pub partial: bool,
}

/// Stores the results of decoding.
pub async fn set_prepared(conn: &mut Conn, id: TranscriptionId, prepared: Prepared) -> StoreResult<()> {
    sqlx::query(
        "UPDATE transcriptions SET duration_ms = ?, channels = ?, layout = ?, container = ?, partial = ? WHERE id = ?",
    )
    .bind(prepared.duration_ms)
    .bind(prepared.channels)
    .bind(prepared.layout.as_str())
    .bind(prepared.container.as_str())
    .bind(prepared.partial)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}
