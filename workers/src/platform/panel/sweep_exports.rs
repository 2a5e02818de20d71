//! Performs `panel.sweep_exports`. Harmless when run twice: deleted objects stay deleted. An object goes before its row says so,
//! so that a crash leaves it for the next run.

use chrono::Duration;
use flysk_jobs::platform::panel::SweepExports;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::admin::exports;

use crate::App;
use crate::job_error::IntoJobError;

/// Exports of one run.
const BATCH_SIZE: u32 = 500;
/// An export without progress for this long will not be written any more: its job is dead or was pruned.
const STUCK_AFTER: Duration = Duration::days(1);

impl JobHandler<App> for SweepExports {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        // A failed export expires at once, so that what its job has stored is deleted below.
        for export in exports::list_stuck(&mut conn, now - STUCK_AFTER, BATCH_SIZE).await? {
            exports::fail(&mut conn, export.id, now).await?;
        }
        let expired = exports::list_expired(&mut conn, now, BATCH_SIZE).await?;
        drop(conn);
        if expired.is_empty() {
            return Ok(JobOutcome::Done);
        }
        let storage = app.storage()?;
        for export in &expired {
            storage.delete(&export.object_key()).await.map_err(IntoJobError::into_job_error)?;
            exports::mark_deleted(&mut *run.pool().acquire().await?, export.id, now).await?;
        }
        Ok(JobOutcome::Done)
    }
}
