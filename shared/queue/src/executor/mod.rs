//! Executes one job: claim, run, finish. Called by consumers and tests.

mod active_jobs;
mod claims;
mod end_groups;
mod ending;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flysk_domain::Clock;
use flysk_domain::id::JobId;
use flysk_store::jobs::{self, Lease};
use flysk_store::{StoreError, StoreResult, answered, repeat_contended, repeat_while};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::active_jobs::ActiveJobs;
use self::end_groups::EndGroups;
use self::ending::Writing;
use crate::context::JobContext;
use crate::metrics;
use crate::outbox::Outbox;
use crate::outcome::{JobError, JobOutcome, JobResult};
use crate::registry::{RegisteredKind, Registry};

pub use self::claims::ClaimedJob;

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
    /// Jobs that are claimed, run or end here, whose leases are renewed.
    active_jobs: ActiveJobs,
    /// Ends that are written together.
    ends: EndGroups,
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
        let ends = EndGroups::new(outbox.pool().clone(), Arc::clone(outbox.clock()));
        Self {
            outbox,
            registry,
            app,
            owner,
            lease_config,
            active_jobs: ActiveJobs::default(),
            ends,
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

    /// Ids of the jobs whose leases this process renews.
    pub(crate) fn active_jobs(&self) -> Vec<JobId> {
        self.active_jobs.ids()
    }

    fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    async fn conn(&self) -> StoreResult<sqlx::pool::PoolConnection<sqlx::MySql>> {
        Ok(self.outbox.pool().acquire().await?)
    }

    /// Aborts all running jobs at their next `await` and releases them.
    pub fn abort_running(&self) {
        self.abort.cancel();
    }

    /// Claims the job if it is due and not taken. Waits for a locked row once.
    pub async fn claim(&self, id: JobId) -> StoreResult<Option<Lease>> {
        let claim = || async {
            let now = self.clock().now();
            let mut conn = self.conn().await?;
            jobs::claim(&mut conn, id, &self.owner, now + self.lease_config.ttl, now).await
        };
        repeat_while(StoreError::is_lost_race, || answered(claim())).await
    }

    /// Claims, runs and finishes one job. Its end is durable when this returns.
    pub async fn execute(&self, id: JobId) -> StoreResult<ExecutionResult> {
        match self.claim(id).await? {
            Some(lease) => Ok(Box::pin(self.run(lease)).await),
            None => Ok(ExecutionResult::NotClaimed),
        }
    }

    /// Runs a claimed job and stores its outcome. Its end is durable when this returns.
    pub async fn run(&self, lease: Lease) -> ExecutionResult {
        self.run_claimed(self.track(lease), None::<()>).await
    }

    /// Like [`Executor::run`]. `run_permit` is dropped as soon as another job may run: before the end is durable, if it is
    /// written together with others. The end is durable when this returns.
    pub async fn run_with_permit<P: Send>(&self, job: ClaimedJob, run_permit: P) -> ExecutionResult {
        self.run_claimed(job, Some(run_permit)).await
    }

    async fn run_claimed<P: Send>(&self, job: ClaimedJob, run_permit: Option<P>) -> ExecutionResult {
        // The lease is renewed until the end is durable.
        let ClaimedJob { lease, active: _active } = job;
        let span = tracing::info_span!(
            "job",
            job.id = %lease.fence.job,
            job.kind = %lease.kind,
            job.attempt = lease.attempt,
            correlation.id = %lease.trace.correlation_id,
            traceparent = lease.trace.traceparent.as_deref(),
        );
        self.run_in_span(lease, run_permit).instrument(span).await
    }

    async fn run_in_span<P: Send>(&self, lease: Lease, run_permit: Option<P>) -> ExecutionResult {
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
        match run_permit {
            Some(run_permit) if is_plain_end(&ctx, &result) => {
                // While many ends wait for the database, no further job starts.
                let _permit = self.ends.reserve().await;
                drop(run_permit);
                self.finish(&ctx, &result, Writing::Together).await;
            }
            run_permit => {
                self.finish(&ctx, &result, Writing::Alone).await;
                drop(run_permit);
            }
        }
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
}

/// Whether all that remains is to mark the job as done.
fn is_plain_end(ctx: &JobContext, result: &JobResult) -> bool {
    !ctx.has_ended() && matches!(result, Ok(JobOutcome::Done | JobOutcome::Skip(_)))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
