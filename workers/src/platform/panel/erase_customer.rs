//! Performs `panel.erase_account`: the platform's side of the erasure of an account.
//!
//! Harmless when run twice or in part: each batch and its counts are one transaction, and what is erased is not found again.
//! A file of an export goes before its row says so. Addresses that receipts still need make the job wait for them.

use chrono::Duration;
use flysk_domain::admin::{ErasureSide, ErasureState};
use flysk_jobs::platform::panel::EraseCustomer;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::erasure::{self, Piece, customer};
use flysk_store::admin::erasures::{self, Erasure};
use flysk_store::admin::exports::ExportState;
use flysk_store::repeat_contended;

use crate::App;
use crate::job_error::IntoJobError;

/// Batches of one attempt.
const SLICE_SIZE: u32 = 50;
/// Exports read at once.
const EXPORTS_AT_ONCE: u32 = 100;
/// Pause while a job writes an export that may contain the account.
const EXPORT_PAUSE: Duration = Duration::minutes(1);
/// Pause while events of the account are delivered; their retries end within minutes.
const EVENT_PAUSE: Duration = Duration::minutes(10);
/// Pause while payments, refunds or receipts need an address.
const RECEIPT_PAUSE: Duration = Duration::hours(1);

impl JobHandler<App> for EraseCustomer {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let erasure = erasures::find(&mut *run.pool().acquire().await?, self.erasure_id).await?;
        let is_due =
            |erasure: &Erasure| erasure.state == ErasureState::Running && erasure.customer_done_at.is_none();
        let Some(erasure) = erasure.filter(is_due) else {
            return Ok(JobOutcome::skip("the erasure has ended"));
        };
        if let Some(outcome) = erase_rows(run, app, &erasure).await? {
            return Ok(outcome);
        }
        if let Some(outcome) = delete_exports(run, app, &erasure).await? {
            return Ok(outcome);
        }
        let mut conn = run.pool().acquire().await?;
        let kept = customer::kept_contacts(&mut conn, &erasure).await?;
        let delivers = customer::has_waiting_events(&mut conn, &erasure).await?;
        drop(conn);
        if delivers {
            return Ok(JobOutcome::snooze(run.now() + EVENT_PAUSE, "events are being delivered"));
        }
        if kept.count > 0 {
            let next = run.now() + RECEIPT_PAUSE;
            let until = kept.receipt_at.map_or(next, |due| next.max(due + RECEIPT_PAUSE));
            return Ok(JobOutcome::snooze(until, "receipts still need addresses"));
        }
        let mut unit = run.begin().await?;
        erasure::finish(&mut unit, app.clock(), erasure.id, ErasureSide::Customer).await?;
        run.done(unit).await
    }
}

/// Erases batches until nothing is left; `None` then.
async fn erase_rows(run: &JobContext, app: &App, erasure: &Erasure) -> Result<Option<JobOutcome>, JobError> {
    for _ in 0..SLICE_SIZE {
        let batch = || async {
            let mut unit = run.begin().await?;
            let piece = customer::erase_batch(&mut unit, app.clock(), erasure.id).await?;
            unit.commit().await?;
            Ok::<_, JobError>(piece)
        };
        match repeat_contended(batch).await? {
            Piece::Stopped => return Ok(Some(JobOutcome::skip("the erasure was stopped"))),
            Piece::Erased(0) => return Ok(None),
            Piece::Erased(_) => {}
        }
    }
    Ok(Some(JobOutcome::snooze(run.now(), "more rows follow")))
}

/// Deletes files of exports that may contain the account; `None` once there are none.
async fn delete_exports(
    run: &JobContext,
    app: &App,
    erasure: &Erasure,
) -> Result<Option<JobOutcome>, JobError> {
    loop {
        let mut conn = run.pool().acquire().await?;
        let listed = customer::list_exports(&mut conn, erasure, EXPORTS_AT_ONCE).await?;
        drop(conn);
        let mut is_writing = false;
        let mut deleted = 0;
        for export in &listed {
            if export.state == ExportState::Writing {
                is_writing = true;
                continue;
            }
            app.storage()?.delete(&export.object_key()).await.map_err(IntoJobError::into_job_error)?;
            let forget = || async {
                let mut unit = run.begin().await?;
                let piece = customer::forget_export(&mut unit, erasure.id, export).await?;
                unit.commit().await?;
                Ok::<_, JobError>(piece)
            };
            if repeat_contended(forget).await? == Piece::Stopped {
                return Ok(Some(JobOutcome::skip("the erasure was stopped")));
            }
            deleted += 1;
        }
        if deleted == 0 {
            let pause = || JobOutcome::snooze(run.now() + EXPORT_PAUSE, "an export is being written");
            return Ok(is_writing.then(pause));
        }
    }
}
