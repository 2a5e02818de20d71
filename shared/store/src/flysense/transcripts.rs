//! Table `transcripts`: assembled results of recognitions.

use chrono::{DateTime, Utc};
use flysk_domain::id::TranscriptionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::listed::push_in;
use crate::{Conn, StoreError, StoreResult};

/// Stores the dialogue and its analysis; replaces those of an earlier run.
pub async fn upsert<U: Serialize, A: Serialize>(
    conn: &mut Conn,
    id: TranscriptionId,
    utterances: &[U],
    analysis: &A,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let text = |what, value: Result<String, serde_json::Error>| {
        value.map_err(|error| StoreError::InvalidRow { what, reason: error.to_string() })
    };
    sqlx::query(
        "INSERT INTO transcripts (transcription_id, utterances, analysis, created_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE utterances = VALUES(utterances), analysis = VALUES(analysis),
                                 created_at = VALUES(created_at)",
    )
    .bind(id.to_string())
    .bind(text("dialogue", serde_json::to_string(utterances))?)
    .bind(text("analysis", serde_json::to_string(analysis))?)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the dialogue and its analysis.
pub async fn find<U: DeserializeOwned, A: DeserializeOwned>(
    conn: &mut Conn,
    id: TranscriptionId,
) -> StoreResult<Option<(Vec<U>, A)>> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT utterances, analysis FROM transcripts WHERE transcription_id = ?")
            .bind(id.to_string())
            .fetch_optional(conn)
            .await?;
    let Some((utterances, analysis)) = row else { return Ok(None) };
    let corrupt =
        |what| move |error: serde_json::Error| StoreError::InvalidRow { what, reason: error.to_string() };
    Ok(Some((
        serde_json::from_str(&utterances).map_err(corrupt("dialogue"))?,
        serde_json::from_str(&analysis).map_err(corrupt("analysis"))?,
    )))
}

/// Replaces the analysis of a dialogue, after a later summary.
pub async fn set_analysis<A: Serialize>(
    conn: &mut Conn,
    id: TranscriptionId,
    analysis: &A,
) -> StoreResult<()> {
    let analysis = serde_json::to_string(analysis)
        .map_err(|error| StoreError::InvalidRow { what: "analysis", reason: error.to_string() })?;
    sqlx::query("UPDATE transcripts SET analysis = ? WHERE transcription_id = ?")
        .bind(analysis)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes at most `limit` dialogues of runs before `before`, and the waveforms of their recordings; returns how many dialogues.
/// The transcriptions stay, with their summaries and labels.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    // A range of ids, which begin with the time of the request: no run is older than its transcription.
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT transcription_id FROM transcripts WHERE transcription_id < ? AND created_at < ?
         ORDER BY transcription_id LIMIT ?",
    )
    .bind(TranscriptionId::first_at(before).to_string())
    .bind(before)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut waveforms = sqlx::QueryBuilder::new("DELETE FROM transcription_waveforms WHERE created_at < ");
    waveforms.push_bind(before).push(" AND transcription_id");
    push_in(&mut waveforms, ids.iter().cloned());
    waveforms.build().execute(&mut *conn).await?;
    // One whose call was started again in the meantime stays.
    let mut dialogues = sqlx::QueryBuilder::new("DELETE FROM transcripts WHERE created_at < ");
    dialogues.push_bind(before).push(" AND transcription_id");
    push_in(&mut dialogues, ids);
    Ok(dialogues.build().execute(conn).await?.rows_affected())
}
