//! Performs `calls.sweep_playback`: deletes copies for the player whose time is over, and objects that no row names.
//!
//! Harmless when run twice: deleted objects stay deleted. The object goes before its row, so that a crash leaves the row
//! for the next run. The row of an earlier copy does not tell its object any more once it is begun again, so the key is
//! derived. A job that died, or outlived its call, leaves an object without a row. A copy that was begun again since the
//! list was read has the same key: its row is read again before the object is deleted.

use std::collections::BTreeSet;

use chrono::Duration;
use flysk_clients::storage::Storage;
use flysk_domain::id::TranscriptionId;
use flysk_jobs::flysense::calls::SweepPlayback;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::playback_copies;

use super::prepare_playback::{KEY_PREFIX, object_key};
use crate::App;
use crate::job_error::IntoJobError;

/// Copies of one run.
const BATCH_SIZE: u32 = 500;
/// Younger objects without a row may belong to a copy that is being begun. Longer than an attempt of the job that stores it.
const MIN_OBJECT_AGE: Duration = Duration::minutes(30);

impl JobHandler<App> for SweepPlayback {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let storage = app.storage()?;
        delete_expired(run, storage).await?;
        delete_unnamed(run, storage).await?;
        Ok(JobOutcome::Done)
    }
}

async fn delete_expired(run: &JobContext, storage: &Storage) -> Result<(), JobError> {
    let mut conn = run.pool().acquire().await?;
    let expired = playback_copies::list_expired(&mut conn, run.now(), BATCH_SIZE).await?;
    drop(conn);
    for listed in expired {
        let mut conn = run.pool().acquire().await?;
        let copy = playback_copies::find(&mut conn, listed.transcription_id).await?;
        drop(conn);
        let Some(copy) = copy.filter(|copy| copy.expires_at < run.now()) else { continue };
        let key = object_key(copy.transcription_id);
        storage.delete(&key).await.map_err(IntoJobError::into_job_error)?;
        let mut conn = run.pool().acquire().await?;
        playback_copies::delete_expired(&mut conn, copy.transcription_id, run.now()).await?;
    }
    Ok(())
}

async fn delete_unnamed(run: &JobContext, storage: &Storage) -> Result<(), JobError> {
    let before = run.now() - MIN_OBJECT_AGE;
    let (mut page, mut swept) = (None, 0_usize);
    loop {
        let listed = storage.list(KEY_PREFIX, page.as_deref()).await.map_err(IntoJobError::into_job_error)?;
        let old = listed.objects.iter().filter(|object| object.modified_at < before);
        let old: Vec<TranscriptionId> = old.filter_map(|object| owning_call(&object.key)).collect();
        let mut conn = run.pool().acquire().await?;
        let named: BTreeSet<TranscriptionId> =
            playback_copies::list_known(&mut conn, &old).await?.into_iter().collect();
        drop(conn);
        for id in old.into_iter().filter(|id| !named.contains(id)) {
            let copy = playback_copies::find(&mut *run.pool().acquire().await?, id).await?;
            if copy.is_none() {
                storage.delete(&object_key(id)).await.map_err(IntoJobError::into_job_error)?;
                swept += 1;
            }
        }
        page = listed.next;
        if page.is_none() {
            break;
        }
    }
    if swept > 0 {
        tracing::warn!(swept, "deleted left-over copies for the player");
    }
    Ok(())
}

/// Parses `playback/<transcription>`.
fn owning_call(key: &str) -> Option<TranscriptionId> {
    key.strip_prefix(KEY_PREFIX)?.parse().ok()
}
