//! Outcomes of attempts, stored in MySQL.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_store::jobs::{self, AttemptOutcome, EndedAttempt, Fence, Lease};
use flysk_store::{Conn, StoreError, StoreResult, answered, repeat_contended};
use futures::FutureExt as _;

use super::{CONTENTION_RETRY_DELAY, Executor, panic_text};
use crate::context::JobContext;
use crate::metrics;
use crate::outcome::{JobError, JobOutcome, JobResult};
use crate::registry::RegisteredKind;
use crate::retry_pauses::retry_pauses;

/// Way of writing the end of a job that writes nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// In a statement of its own.
    Alone,
    /// With the ends of other jobs.
    Together,
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// Stores the outcome. If MySQL is unavailable it retries until the lease would have expired; then the rescuer takes over.
    pub(super) async fn finish(&self, ctx: &JobContext, result: &JobResult, writing: Writing) {
        self.finish_within(self.lease_config.ttl, ctx, result, writing).await;
    }

    async fn finish_within(
        &self,
        limit: Duration,
        ctx: &JobContext,
        result: &JobResult,
        mut writing: Writing,
    ) {
        if ctx.has_ended() {
            return;
        }
        let deadline = Instant::now() + limit;
        let mut pauses = retry_pauses();
        loop {
            let pause = pauses.next().unwrap_or_default();
            match answered(self.persist_outcome(ctx, result, writing)).await {
                Ok(()) => return,
                Err(StoreError::WrongState { .. }) => {
                    tracing::warn!("lease lost before the outcome was stored");
                    return;
                }
                Err(error) if Instant::now() + pause < deadline && !self.abort.is_cancelled() => {
                    tracing::warn!(error = %error, "failed to store the outcome; retrying");
                    // The ends of other jobs would wait with it again.
                    if matches!(error, StoreError::Conflict(_)) {
                        writing = Writing::Alone;
                    }
                    tokio::time::sleep(pause).await;
                }
                Err(error) => {
                    tracing::error!(error = %error, "failed to store the outcome; the lease will expire");
                    return;
                }
            }
        }
    }

    async fn persist_outcome(
        &self,
        ctx: &JobContext,
        result: &JobResult,
        writing: Writing,
    ) -> StoreResult<()> {
        let lease = ctx.lease();
        let (fence, now) = (lease.fence, self.clock().now());
        match result {
            Ok(JobOutcome::Done) => self.complete(fence, None, writing).await,
            Ok(JobOutcome::Skip(why)) => {
                tracing::info!(reason = %why, "job skipped");
                self.complete(fence, Some(why), writing).await
            }
            Ok(JobOutcome::Snooze { until, reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, *until, reason).await
            }
            Err(JobError::LeaseLost) => Err(StoreError::WrongState { what: "job" }),
            Err(JobError::Wait { after, reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, now + *after, reason).await
            }
            Err(JobError::Contended { reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, now + CONTENTION_RETRY_DELAY, reason).await
            }
            Err(JobError::Retry { reason, after }) if lease.attempt < lease.max_attempts => {
                let entry = self.registry.get(&lease.kind);
                let after = after
                    .unwrap_or_else(|| retry_delay(entry, lease.attempt, self.outbox.clock().random_unit()));
                tracing::warn!(reason, retry_in_ms = after.as_millis(), "attempt failed; will be retried");
                self.retry(ctx, now + after, reason).await
            }
            Err(JobError::Retry { reason, .. }) => {
                self.mark_dead(ctx, &format!("{reason} (attempt {} was the last)", lease.attempt)).await
            }
            Err(JobError::GiveUp { reason }) => self.mark_dead(ctx, reason).await,
        }
    }

    async fn retry(&self, ctx: &JobContext, run_at: DateTime<Utc>, reason: &str) -> StoreResult<()> {
        let mut tx = flysk_store::begin(self.outbox.pool()).await?;
        jobs::retry(&mut tx, ctx.lease().fence, run_at, reason).await?;
        self.record_attempt(&mut tx, ctx, AttemptOutcome::Failed, Some(reason)).await?;
        Ok(tx.commit().await?)
    }

    /// Records an attempt that ended without success, in the transaction that requeued or ended the job. That of an expired lease
    /// was another worker's.
    async fn record_attempt(
        &self,
        conn: &mut Conn,
        ctx: &JobContext,
        outcome: AttemptOutcome,
        reason: Option<&str>,
    ) -> StoreResult<()> {
        let lease = ctx.lease();
        let (outcome, worker, started_at) = match &lease.former {
            Some(former) => (AttemptOutcome::Abandoned, former.worker.as_deref(), former.started_at),
            None => (outcome, Some(self.owner.as_str()), Some(ctx.started_at())),
        };
        let (fence, attempt, ended_at) = (lease.fence, lease.attempt, self.clock().now());
        let ended = EndedAttempt { fence, attempt, outcome, worker, started_at, ended_at, reason };
        jobs::record_attempt(conn, &ended).await
    }

    async fn complete(&self, fence: Fence, note: Option<&str>, writing: Writing) -> StoreResult<()> {
        match writing {
            Writing::Alone => jobs::complete(&mut *self.conn().await?, fence, note, self.clock().now()).await,
            Writing::Together => self.ends.complete(fence, note).await,
        }
    }

    /// Marks the job as dead and calls its handler's `on_dead`, in one transaction.
    async fn mark_dead(&self, ctx: &JobContext, reason: &str) -> StoreResult<()> {
        let lease = ctx.lease();
        tracing::error!(reason, "job dead");
        let mut unit = self.outbox.begin(lease.trace.clone()).await?;
        if !jobs::lock_if_owned(&mut unit, lease.fence).await? {
            return Err(StoreError::WrongState { what: "job" });
        }
        if let Some(entry) = self.registry.get(&lease.kind) {
            let handled = (entry.on_dead)(lease.payload.clone(), &mut unit, reason, &self.app);
            if let Err(error) = catch_panic(handled).await {
                return Err(StoreError::InvalidRow {
                    what: "state behind a dead job",
                    reason: error.to_string(),
                });
            }
        }
        jobs::mark_dead(&mut unit, lease.fence, reason, self.clock().now()).await?;
        self.record_attempt(&mut unit, ctx, AttemptOutcome::Dead, Some(reason)).await?;
        unit.commit().await
    }

    /// Ends the attempt of a job whose lease expired. A job that was claimed ahead may not have begun: its attempt is released,
    /// once, because jobs that have been claimed are not claimed ahead again. Of the others the attempt has failed: the job is
    /// retried if one is left, dead otherwise.
    pub(crate) async fn fail_abandoned(&self, lease: Lease) {
        let _active = self.active_jobs.track(lease.fence);
        if lease.claimed_ahead {
            let release =
                || async { jobs::release(&mut *self.conn().await?, lease.fence, self.clock().now()).await };
            if let Err(error) = repeat_contended(|| answered(release())).await {
                tracing::warn!(job.id = %lease.fence.job, error = %error, "failed to requeue a job; its lease will expire");
            }
            return metrics::record_rescue(&lease);
        }
        let ctx = JobContext::new(lease, self.outbox.clone());
        if let Err(error) = repeat_contended(|| answered(self.record_interruption(&ctx))).await {
            tracing::warn!(error = %error, "failed to record an interrupted attempt");
        }
        let result = Err(JobError::retry("the worker died or froze during the run"));
        // Not for as long as a lease: other jobs wait to be rescued, and this one is found again.
        self.finish_within(self.rescue_interval(), &ctx, &result, Writing::Alone).await;
        metrics::record_rescue(ctx.lease());
    }

    /// Calls the handler's `on_interrupted` for the attempt that the lease belonged to.
    async fn record_interruption(&self, ctx: &JobContext) -> Result<(), JobError> {
        let lease = ctx.lease();
        let Some(entry) = self.registry.get(&lease.kind) else { return Ok(()) };
        let mut unit = ctx.begin().await?;
        let Some(started_at) = jobs::find(&mut unit, lease.fence.job).await?.and_then(|job| job.started_at)
        else {
            return Ok(());
        };
        catch_panic((entry.on_interrupted)(lease.payload.clone(), &mut unit, started_at, &self.app)).await?;
        Ok(unit.commit().await?)
    }

    pub(super) async fn release(&self, ctx: &JobContext) {
        let released = async {
            let mut tx = flysk_store::begin(self.outbox.pool()).await?;
            jobs::release(&mut tx, ctx.lease().fence, self.clock().now()).await?;
            self.record_attempt(&mut tx, ctx, AttemptOutcome::Released, None).await?;
            StoreResult::Ok(tx.commit().await?)
        };
        match answered(released).await {
            Ok(()) => tracing::info!("job released: the worker is stopping"),
            Err(error) => tracing::warn!(error = %error, "failed to release the job; its lease will expire"),
        }
    }
}

/// The result of a handler's function that belongs to the end of an attempt. A panic is its error: it would end the task of
/// the rescuer, which calls these functions for the jobs of all workers.
async fn catch_panic(called: impl Future<Output = Result<(), JobError>>) -> Result<(), JobError> {
    match AssertUnwindSafe(called).catch_unwind().await {
        Ok(handled) => handled,
        Err(panic) => Err(JobError::retry(format!("panicked: {}", panic_text(panic.as_ref())))),
    }
}

fn retry_delay<App>(entry: Option<&RegisteredKind<App>>, attempt: u32, jitter: f64) -> Duration {
    entry.map_or(Duration::from_secs(30), |entry| entry.policy.backoff.delay_after(attempt, jitter))
}
