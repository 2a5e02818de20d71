//! Table `transcription_stages`: duration of each stage.

use chrono::{DateTime, Utc};
use flysk_domain::id::TranscriptionId;

use crate::{Conn, StoreResult};

/// A stage of a run.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StageRow {
    /// `fetch`, `convert`, `hold`, `upload`, `submit`, `recognize`, `store`, `summarize`, `settle`.
    pub stage: String,
    /// When its successful attempt started.
    pub started_at: DateTime<Utc>,
    /// When the stage was completed.
    pub ended_at: DateTime<Utc>,
}

/// Inserts a stage, or replaces it if it was executed again.
pub async fn record(
    conn: &mut Conn,
    id: TranscriptionId,
    run: u32,
    stage: &str,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO transcription_stages (transcription_id, run, stage, started_at, ended_at) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE started_at = VALUES(started_at), ended_at = VALUES(ended_at)",
    )
    .bind(id.to_string())
    .bind(run)
    .bind(stage)
    .bind(started_at)
    .bind(ended_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the stages of a run, in order.
pub async fn list(conn: &mut Conn, id: TranscriptionId, run: u32) -> StoreResult<Vec<StageRow>> {
    Ok(sqlx::query_as(
        "SELECT stage, started_at, ended_at FROM transcription_stages
         WHERE transcription_id = ? AND run = ? ORDER BY started_at, ended_at",
    )
    .bind(id.to_string())
    .bind(run)
    .fetch_all(conn)
    .await?)
}
