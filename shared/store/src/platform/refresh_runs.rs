//! How far a run of `token:refresh-all` is, read from the jobs it wrote.

use flysk_domain::id::InstallId;

use crate::{Conn, StoreError, StoreResult};

/// What became of a run's renewals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Still to be done.
    pub open: u64,
    /// With a new pair.
    pub renewed: u64,
    /// Without need: somebody else was faster, or the install lost its access before.
    pub skipped: u64,
    /// Refused by amoCRM: the install waits for a reconnect.
    pub refused: u64,
    /// Given up or cancelled.
    pub failed: u64,
}

/// How far the run is.
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
        match (state.as_str(), way) {
            ("done", 0) => progress.renewed += count,
            ("done", 2) => progress.refused += count,
            ("done", _) => progress.skipped += count,
            ("dead" | "cancelled", _) => progress.failed += count,
            _ => progress.open += count,
        }
    }
    Ok(progress)
}

/// The last install the run wrote a renewal for.
pub async fn find_last_install(conn: &mut Conn, run: &str) -> StoreResult<Option<InstallId>> {
    let last: Option<String> = sqlx::query_scalar(
        "SELECT MAX(dedup_key) FROM jobs WHERE correlation_id = ? AND kind = 'oauth.refresh_token'",
    )
    .bind(run)
    .fetch_one(conn)
    .await?;
    last.map(|id| {
        id.parse().map_err(|error: flysk_domain::id::InvalidId| StoreError::Corrupt {
            what: "dedup key of a renewal",
            reason: error.to_string(),
        })
    })
    .transpose()
}
