//! Performs `calls.erase_account`: FlySense's side of the erasure of an account.
//!
//! Harmless when run twice or in part: objects of a call go before its rows, which name them, and the count of what was erased
//! is written in the transaction that erases it. Unfinished calls are cancelled first, and their coins are settled.

use chrono::Duration;
use flysk_domain::admin::{ErasureSide, ErasureState};
use flysk_domain::id::TranscriptionId;
use flysk_jobs::flysense::erasure::EraseCalls;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::erasure::{self, Piece, calls};
use flysk_store::admin::erasures::{self, Erasure};
use flysk_store::flysense::erasure::ListedCall;
use flysk_store::repeat_contended;

use super::{audio_storage, prepare_playback};
use crate::App;
use crate::job_error::IntoJobError;

/// Calls that one transaction deletes.
const CALLS_AT_ONCE: u32 = 20;
/// Calls of one attempt.
const SLICE_SIZE: u64 = 500;
/// Pause while calls are settled, or until FlySense learns that it was removed.
const PAUSE: Duration = Duration::minutes(5);
/// FlySense learns within this time that it was removed; otherwise it was installed again.
const REMOVAL_WAIT: Duration = Duration::days(1);

impl JobHandler<App> for EraseCalls {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let erasure = erasures::find(&mut conn, self.erasure_id).await?;
        let is_due =
            |erasure: &Erasure| erasure.state == ErasureState::Running && erasure.calls_done_at.is_none();
        let Some(erasure) = erasure.filter(is_due) else {
            return Ok(JobOutcome::skip("the erasure has ended"));
        };
        let is_active = calls::is_active(&mut conn, erasure.account_id).await?;
        drop(conn);
        if is_active {
            return wait_for_removal(run, &erasure).await;
        }
        if let Some(outcome) = erase_calls(run, app, &erasure).await? {
            return Ok(outcome);
        }
        loop {
            let batch = || async {
                let mut unit = run.begin().await?;
                let piece = calls::erase_batch(&mut unit, erasure.id).await?;
                unit.commit().await?;
                Ok::<_, JobError>(piece)
            };
            match repeat_contended(batch).await? {
                Piece::Stopped => return Ok(JobOutcome::skip("the erasure was stopped")),
                Piece::Erased(0) => break,
                Piece::Erased(_) => {}
            }
        }
        let mut unit = run.begin().await?;
        erasure::finish(&mut unit, app.clock(), erasure.id, ErasureSide::Calls).await?;
        run.done(unit).await
    }
}

/// The event of the removal may come late.
async fn wait_for_removal(run: &JobContext, erasure: &Erasure) -> JobResult {
    let now = run.now();
    if now - erasure.requested_at < REMOVAL_WAIT {
        return Ok(JobOutcome::snooze(now + PAUSE, "FlySense has not learned of its removal yet"));
    }
    let mut unit = run.begin().await?;
    erasure::stop(&mut unit, erasure.id).await?;
    run.done(unit).await
}

/// Deletes calls, the oldest first; `None` once there are none.
async fn erase_calls(run: &JobContext, app: &App, erasure: &Erasure) -> Result<Option<JobOutcome>, JobError> {
    let mut erased = 0;
    loop {
        let mut conn = run.pool().acquire().await?;
        let listed = calls::list(&mut conn, erasure.account_id, CALLS_AT_ONCE).await?;
        drop(conn);
        if listed.is_empty() {
            return Ok(None);
        }
        if erased >= SLICE_SIZE {
            return Ok(Some(JobOutcome::snooze(run.now(), "more calls follow")));
        }
        if end_unfinished(run, app, erasure, &listed).await? {
            return Ok(Some(JobOutcome::snooze(run.now() + PAUSE, "unfinished calls are being settled")));
        }
        let recordings = delete_objects(app, &listed).await?;
        let ids: Vec<TranscriptionId> = listed.iter().map(|call| call.id).collect();
        let delete = || async {
            let mut unit = run.begin().await?;
            let piece = calls::erase_calls(&mut unit, erasure.id, &ids, recordings).await?;
            unit.commit().await?;
            Ok::<_, JobError>(piece)
        };
        match repeat_contended(delete).await? {
            Piece::Stopped => return Ok(Some(JobOutcome::skip("the erasure was stopped"))),
            Piece::Erased(calls) => erased += calls,
        }
    }
}

/// Cancels the unfinished ones of the calls; whether there were any.
async fn end_unfinished(
    run: &JobContext,
    app: &App,
    erasure: &Erasure,
    listed: &[ListedCall],
) -> Result<bool, JobError> {
    let mut found = false;
    for call in listed.iter().filter(|call| !call.state.is_final()) {
        found = true;
        let end = || async {
            let mut unit = run.begin().await?;
            let has_ended = calls::end_call(&mut unit, app.clock(), erasure.account_id, call.id).await?;
            unit.commit().await?;
            Ok::<_, JobError>(has_ended)
        };
        let has_ended = repeat_contended(end).await?;
        tracing::info!(transcription.id = %call.id, has_ended, "an unfinished call of an erased account was cancelled");
    }
    Ok(found)
}

/// Deletes the recordings of calls and the copies for the player; returns how many objects.
async fn delete_objects(app: &App, listed: &[ListedCall]) -> Result<u64, JobError> {
    let storage = app.storage()?;
    let mut deleted = 0;
    for call in listed {
        // A copy that was begun again has an object of which its row does not tell.
        let key = prepare_playback::object_key(call.id);
        storage.delete(&key).await.map_err(IntoJobError::into_job_error)?;
        deleted += u64::from(call.copy_key.is_some());
        let folder = audio_storage::folder(call.id);
        loop {
            let page = storage.list(&folder, None).await.map_err(IntoJobError::into_job_error)?;
            if page.objects.is_empty() {
                break;
            }
            for object in page.objects {
                storage.delete(&object.key).await.map_err(IntoJobError::into_job_error)?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}
