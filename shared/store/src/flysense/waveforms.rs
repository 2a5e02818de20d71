//! Table `transcription_waveforms`: loudness of recordings in bins.

use chrono::{DateTime, Utc};
use flysk_domain::id::TranscriptionId;

use crate::{Conn, StoreResult};

/// The waveform of a recording.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Waveform {
    /// Duration of the recording, ms.
    pub duration_ms: u64,
    /// Loudness of each bin, 0 to 100; all bins have the same length.
    pub peaks: Vec<u8>,
}

/// Stores a waveform; replaces that of an earlier run.
pub async fn upsert(
    conn: &mut Conn,
    id: TranscriptionId,
    waveform: &Waveform,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO transcription_waveforms (transcription_id, duration_ms, peaks, created_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE duration_ms = VALUES(duration_ms), peaks = VALUES(peaks),
                                 created_at = VALUES(created_at)",
    )
    .bind(id.to_string())
    .bind(waveform.duration_ms)
    .bind(&waveform.peaks)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: TranscriptionId) -> StoreResult<Option<Waveform>> {
    Ok(sqlx::query_as("SELECT duration_ms, peaks FROM transcription_waveforms WHERE transcription_id = ?")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}
