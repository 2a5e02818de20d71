//! Performs `oauth.refresh_due`. Harmless when run twice: a renewal that is already waiting is not enqueued again.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_jobs::platform::oauth::{RefreshDue, RefreshToken};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::tokens;

use crate::App;

/// Access tokens that expire within this time are renewed; several ticks may be missed.
const RENEW_BEFORE_EXPIRY: TimeDelta = TimeDelta::hours(2);
/// Pairs of inactive installs are renewed too: an unused refresh token expires after three months.
const MAX_IDLE_AGE: TimeDelta = TimeDelta::days(7);
/// Renewals of one tick are spread over this time, so that pairs granted at the same moment drift apart.
const ENQUEUE_SPREAD: Duration = Duration::from_mins(8);
/// More renewals than the rate limit on token requests allows until the next tick.
const MAX_RENEWALS_PER_RUN: u32 = 5_000;
const RENEWALS_PER_TRANSACTION: usize = 200;

impl JobHandler<App> for RefreshDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let now = run.now();
        let due = tokens::list_due(
            &mut *run.pool().acquire().await?,
            now,
            now + RENEW_BEFORE_EXPIRY,
            now - MAX_IDLE_AGE,
            MAX_RENEWALS_PER_RUN,
        )
        .await?;
        let mut enqueued = 0;
        for installs in due.chunks(RENEWALS_PER_TRANSACTION) {
            let mut unit = run.begin().await?;
            for install_id in installs {
                let run_at = now + ENQUEUE_SPREAD.mul_f64(app.clock().random_unit());
                let job = RefreshToken { install_id: *install_id, requested_at: now };
                enqueued += usize::from(unit.enqueue_at(&job, run_at).await?.is_some());
            }
            unit.commit().await?;
        }
        tracing::info!(due = due.len(), enqueued, "renewals enqueued");
        Ok(JobOutcome::Done)
    }
}
