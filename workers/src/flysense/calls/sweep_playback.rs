//! Performs `calls.sweep_playback`: deletes copies for the player whose time is over.
//!
//! Harmless when run twice: deleted objects stay deleted. The object goes before its row, so that a crash leaves the row
//! for the next run. A copy that was begun again since the list was read has the same key: its row is read again before
//! the object is deleted.

use flysk_jobs::flysense::calls::SweepPlayback;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::playback_copies;

use crate::App;
use crate::job_error::IntoJobError;

/// Copies of one run.
const BATCH_SIZE: u32 = 500;

impl JobHandler<App> for SweepPlayback {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let mut conn = run.pool().acquire().await?;
        let expired = playback_copies::list_expired(&mut conn, run.now(), BATCH_SIZE).await?;
        drop(conn);
        for listed in expired {
            let mut conn = run.pool().acquire().await?;
            let copy = playback_copies::find(&mut conn, listed.transcription_id).await?;
            drop(conn);
            let Some(copy) = copy.filter(|copy| copy.expires_at < run.now()) else { continue };
            if let Some(key) = &copy.object_key {
                flysense.storage.delete(key).await.map_err(IntoJobError::into_job_error)?;
            }
            let mut conn = run.pool().acquire().await?;
            playback_copies::delete_expired(&mut conn, copy.transcription_id, run.now()).await?;
        }
        Ok(JobOutcome::Done)
    }
}
