//! Progress of a run of `token:refresh-all`, computed from its jobs.

use flysk_domain::id::InstallId;

use crate::jobs::JobState;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// Number of renewals of a run, by result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Not finished yet.
    pub open: u64,
    /// A new pair was stored.
    pub renewed: u64,
    /// Not needed: the pair was renewed by another process, or the install lost its access before.
    pub skipped: u64,
    /// Refused by amoCRM: the install waits for a reconnect.
    pub refused: u64,
    /// Dead or cancelled.
    pub failed: u64,
}

/// Counts the jobs of a run, which share the correlation id `run`.
pub async fn progress(conn: &mut Conn, run: &str) -> StoreResult<Progress> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT state, CASE WHEN last_error IS NULL THEN 0 WHEN last_error LIKE 'refused%' THEN 2 ELSE 1 END AS way,
                COUNT(*)
         FROM jobs WHERE correlation_id = ? AND kind = 'oauth.refresh_token' GROUP BY state, way",
    )
    .bind(run)
    .fetch_all(conn)
    .await?;
    let mut progress = Progress::default();
    for (state, way, count) in rows {
        let count = u64::try_from(count).unwrap_or_default();
        match (decode_text("job state", &state)?, way) {
            (JobState::Done, 0) => progress.renewed += count,
            (JobState::Done, 2) => progress.refused += count,
            (JobState::Done, _) => progress.skipped += count,
            (JobState::Dead | JobState::Cancelled, _) => progress.failed += count,
            (JobState::Queued | JobState::Running, _) => progress.open += count,
        }
    }
    Ok(progress)
}

/// The last install for which the run enqueued a renewal.
pub async fn find_last_install(conn: &mut Conn, run: &str) -> StoreResult<Option<InstallId>> {
    let last: Option<String> = sqlx::query_scalar(
        "SELECT MAX(dedup_key) FROM jobs WHERE correlation_id = ? AND kind = 'oauth.refresh_token'",
    )
    .bind(run)
    .fetch_one(conn)
    .await?;
    last.map(|id| decode_text("dedup key of a renewal", &id)).transpose()
}
