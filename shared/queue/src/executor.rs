//! Executes one job: claim, run, finish. Called by consumers and tests.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flysk_domain::Clock;
use flysk_domain::id::JobId;
use flysk_store::jobs::{self, Lease};
use flysk_store::{StoreError, StoreResult, repeat_contended};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::context::JobContext;
use crate::metrics;
use crate::outbox::Outbox;
use crate::outcome::{JobError, JobOutcome, JobResult};
use crate::registry::{RegisteredKind, Registry};
use crate::retry_pauses::retry_pauses;

/// Delay of a job whose transactions lost all their races.
const CONTENTION_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Validity of leases.
#[derive(Debug, Clone, Copy)]
pub struct LeaseConfig {
    /// Time after the last renewal at which a lease expires and its job may be rescued.
    pub ttl: Duration,
    /// Interval of renewals.
    pub renew_every: Duration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(30), renew_every: Duration::from_secs(8) }
    }
}

/// Result of a wake-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionResult {
    /// The job could not be claimed: not due, taken, ended or deleted.
    NotClaimed,
    /// The job ran with this result.
    Finished(JobResult),
    /// The process is stopping, and the job was released.
    Released,
}

/// Executes jobs with the handlers of `App`.
pub struct Executor<App> {
    outbox: Outbox,
    registry: Registry<App>,
    app: Arc<App>,
    owner: String,
    lease_config: LeaseConfig,
    /// Running jobs, whose leases are renewed.
    active_jobs: Mutex<BTreeSet<JobId>>,
    /// Cancelled when running jobs must be released.
    abort: CancellationToken,
}

impl<App> std::fmt::Debug for Executor<App> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor")
            .field("owner", &self.owner)
            .field("lease_config", &self.lease_config)
            .finish_non_exhaustive()
    }
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// `owner` holds the leases and must be unique to this process start.
    pub fn new(
        outbox: Outbox,
        registry: Registry<App>,
        app: Arc<App>,
        owner: String,
        lease_config: LeaseConfig,
    ) -> Self {
        Self {
            outbox,
            registry,
            app,
            owner,
            lease_config,
            active_jobs: Mutex::default(),
            abort: CancellationToken::new(),
        }
    }

    /// The application passed to handlers.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The outbox for enqueueing.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn registry(&self) -> &Registry<App> {
        &self.registry
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn lease_config(&self) -> LeaseConfig {
        self.lease_config
    }

    /// Ids of the jobs running in this process.
    pub(crate) fn active_jobs(&self) -> Vec<JobId> {
        self.active_jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Keeps the job's lease renewed until the guard is dropped.
    fn track(&self, job: JobId) -> ActiveJobGuard<'_> {
        self.active_jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        ActiveJobGuard { jobs: &self.active_jobs, job }
    }

    fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// Aborts all running jobs at their next `await` and releases them.
    pub fn abort_running(&self) {
        self.abort.cancel();
    }

    /// Claims the job if it is due and not taken.
    pub async fn claim(&self, id: JobId) -> StoreResult<Option<Lease>> {
        let now = self.clock().now();
        let mut conn = self.outbox.pool().acquire().await?;
        jobs::claim(&mut conn, id, &self.owner, now + self.lease_config.ttl, now).await
    }

    /// Claims, runs and finishes one job.
    pub async fn execute(&self, id: JobId) -> StoreResult<ExecutionResult> {
        match self.claim(id).await? {
            Some(lease) => Ok(self.run(lease).await),
            None => Ok(ExecutionResult::NotClaimed),
        }
    }

    /// Runs a claimed job and stores its outcome.
    pub async fn run(&self, lease: Lease) -> ExecutionResult {
        let _guard = self.track(lease.fence.job);
        let span = tracing::info_span!(
            "job",
            job.id = %lease.fence.job,
            job.kind = %lease.kind,
            job.attempt = lease.attempt,
            correlation.id = %lease.trace.correlation_id,
            traceparent = lease.trace.traceparent.as_deref(),
        );
        self.run_in_span(lease).instrument(span).await
    }

    async fn run_in_span(&self, lease: Lease) -> ExecutionResult {
        let started = Instant::now();
        metrics::record_start(&lease, self.clock().now());
        let ctx = JobContext::new(lease, self.outbox.clone());
        let result = tokio::select! {
            biased;
            () = self.abort.cancelled() => None,
            result = self.run_handler(&ctx) => Some(result),
        };
        let Some(result) = result else {
            self.release(&ctx).await;
            return ExecutionResult::Released;
        };
        self.finish(&ctx, &result).await;
        metrics::record_end(ctx.lease(), &result, started.elapsed());
        ExecutionResult::Finished(result)
    }

    /// Runs the handler; maps panics, timeouts and unknown kinds to a [`JobError`].
    async fn run_handler(&self, ctx: &JobContext) -> JobResult {
        let lease = ctx.lease();
        if lease.attempt > lease.max_attempts {
            return Err(JobError::give_up(format!(
                "started {} times and never finished",
                lease.max_attempts
            )));
        }
        let Some(entry) = self.registry.get(&lease.kind) else {
            // Enqueued by a newer release, whose workers are being started.
            let after = Duration::from_secs(30);
            return Err(JobError::Wait { after, reason: format!("unknown kind `{}`", lease.kind) });
        };
        let work = tokio::time::timeout(entry.policy.timeout, self.call_handler(entry, ctx));
        let guarded = AssertUnwindSafe(work).catch_unwind();
        match guarded.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(JobError::retry(format!("took longer than {} s", entry.policy.timeout.as_secs())))
            }
            Err(panic) => Err(JobError::retry(format!("panicked: {}", panic_text(panic.as_ref())))),
        }
    }

    /// Calls the handler. A handler whose transaction lost a race is called again, which must be as harmless as a run
    /// after a crash. After several losses the job is postponed. Neither counts as an attempt, because the job did not fail.
    async fn call_handler(&self, entry: &RegisteredKind<App>, ctx: &JobContext) -> JobResult {
        let lease = ctx.lease();
        let ended = repeat_contended(|| async {
            let ended = (entry.handler)(lease.payload.clone(), ctx, &self.app).await;
            if let Err(JobError::Contended { reason }) = &ended {
                metrics::record_contention(lease);
                tracing::debug!(reason, "a transaction lost a race");
            }
            ended
        })
        .await;
        match ended {
            Err(JobError::Contended { reason }) => {
                Err(JobError::Wait { after: CONTENTION_RETRY_DELAY, reason })
            }
            ended => ended,
        }
    }

    /// Stores the outcome. If MySQL is unavailable it retries until the lease would have expired; then the rescuer takes over.
    async fn finish(&self, ctx: &JobContext, result: &JobResult) {
        if ctx.has_ended() {
            return;
        }
        let deadline = Instant::now() + self.lease_config.ttl;
        let mut pauses = retry_pauses();
        loop {
            let pause = pauses.next().unwrap_or_default();
            match self.persist_outcome(ctx, result).await {
                Ok(()) => return,
                Err(StoreError::WrongState { .. }) => {
                    tracing::warn!("lease lost before the outcome was stored");
                    return;
                }
                Err(error) if Instant::now() + pause < deadline && !self.abort.is_cancelled() => {
                    tracing::warn!(error = %error, "failed to store the outcome; retrying");
                    tokio::time::sleep(pause).await;
                }
                Err(error) => {
                    tracing::error!(error = %error, "failed to store the outcome; the lease will expire");
                    return;
                }
            }
        }
    }

    async fn persist_outcome(&self, ctx: &JobContext, result: &JobResult) -> StoreResult<()> {
        let lease = ctx.lease();
        let (fence, now) = (lease.fence, self.clock().now());
        match result {
            Ok(JobOutcome::Done) => jobs::complete(&mut *self.conn().await?, fence, None, now).await,
            Ok(JobOutcome::Skip(why)) => {
                tracing::info!(reason = %why, "job skipped");
                jobs::complete(&mut *self.conn().await?, fence, Some(why), now).await
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
                jobs::retry(&mut *self.conn().await?, fence, now + after, reason).await
            }
            Err(JobError::Retry { reason, .. }) => {
                self.mark_dead(ctx, &format!("{reason} (attempt {} was the last)", lease.attempt)).await
            }
            Err(JobError::GiveUp { reason }) => self.mark_dead(ctx, reason).await,
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
            let handled = (entry.on_dead)(lease.payload.clone(), &mut unit, reason, &self.app).await;
            if let Err(error) = handled {
                return Err(StoreError::InvalidRow {
                    what: "state behind a dead job",
                    reason: error.to_string(),
                });
            }
        }
        jobs::mark_dead(&mut unit, lease.fence, reason, self.clock().now()).await?;
        unit.commit().await
    }

    /// Fails a job whose lease expired: it is retried if an attempt is left, dead otherwise.
    pub(crate) async fn fail_abandoned(&self, lease: Lease) {
        let _guard = self.track(lease.fence.job);
        let ctx = JobContext::new(lease, self.outbox.clone());
        if let Err(error) = repeat_contended(|| self.record_interruption(&ctx)).await {
            tracing::warn!(error = %error, "failed to record an interrupted attempt");
        }
        let result = Err(JobError::retry("the worker died or froze during the run"));
        self.finish(&ctx, &result).await;
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
        (entry.on_interrupted)(lease.payload.clone(), &mut unit, started_at, &self.app).await?;
        Ok(unit.commit().await?)
    }

    async fn release(&self, ctx: &JobContext) {
        let released =
            async { jobs::release(&mut *self.conn().await?, ctx.lease().fence, self.clock().now()).await };
        match released.await {
            Ok(()) => tracing::info!("job released: the worker is stopping"),
            Err(error) => tracing::warn!(error = %error, "failed to release the job; its lease will expire"),
        }
    }

    async fn conn(&self) -> StoreResult<sqlx::pool::PoolConnection<sqlx::MySql>> {
        Ok(self.outbox.pool().acquire().await?)
    }
}

/// Keeps one job in the set of running jobs.
struct ActiveJobGuard<'a> {
    jobs: &'a Mutex<BTreeSet<JobId>>,
    job: JobId,
}

impl Drop for ActiveJobGuard<'_> {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

fn retry_delay<App>(entry: Option<&RegisteredKind<App>>, attempt: u32, jitter: f64) -> Duration {
    entry.map_or(Duration::from_secs(30), |entry| entry.policy.backoff.delay_after(attempt, jitter))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
