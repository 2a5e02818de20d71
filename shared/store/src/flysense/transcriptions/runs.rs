//! Writes of `transcriptions` about how often a call was started.

use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::id::TranscriptionId;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Counts one more run: `next` follows from `counted`. [`crate::StoreError::Stale`] if somebody counted meanwhile, so that
/// the bound holds by this write, whatever locks are worth.
pub async fn count_run(
    conn: &mut Conn,
    id: TranscriptionId,
    counted: RunCount,
    next: RunCount,
) -> StoreResult<()> {
    let written = sqlx::query(
        "UPDATE transcriptions SET runs_since = ?, runs_counted = ? WHERE id = ? AND runs_counted = ? AND runs_since <=> ?",
    )
    .bind(next.since)
    .bind(next.runs)
    .bind(id.to_string())
    .bind(counted.runs)
    .bind(counted.since)
    .execute(conn)
    .await?;
    expect_one(&written, "transcription")
}
