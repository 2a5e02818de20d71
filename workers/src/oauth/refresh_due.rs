//! Performs `oauth.refresh_due`. Harmless when run twice: a renewal that waits already is not written again.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_jobs::oauth::{RefreshDue, RefreshToken};
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::platform::tokens;

use crate::App;

/// Access tokens that die within this time are renewed now: several ticks may be missed.
const SOON: TimeDelta = TimeDelta::hours(2);
/// A pair of an install that does not work is kept alive too: an unused refresh token dies after three months.
const IDLE: TimeDelta = TimeDelta::days(7);
/// Renewals of one tick are spread over this time, so that those granted at one moment drift apart.
const SPREAD: Duration = Duration::from_mins(8);
/// More than the limit on token requests lets through until the next tick.
const AT_MOST: u32 = 5_000;
const PER_UNIT: usize = 200;

impl Handle<App> for RefreshDue {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let now = run.now();
        let due =
            tokens::list_due(&mut *run.pool().acquire().await?, now, now + SOON, now - IDLE, AT_MOST).await?;
        let mut enqueued = 0;
        for installs in due.chunks(PER_UNIT) {
            let mut unit = app.outbox.begin(run.trace().clone()).await?;
            for install_id in installs {
                let run_at = now + SPREAD.mul_f64(rand::random());
                let job = RefreshToken { install_id: *install_id, wished_at: now };
                enqueued += usize::from(unit.enqueue_at(&job, run_at).await?.is_some());
            }
            unit.commit().await?;
        }
        tracing::info!(due = due.len(), enqueued, "renewals are due");
        Ok(Verdict::Done)
    }
}
