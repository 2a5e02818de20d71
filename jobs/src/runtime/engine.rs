//! Performing one job: claim, run, end. The lanes call it, and so do tests.

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

use super::measure;
use super::registry::{Entry, Registry};
use super::run::Run;
use super::verdict::{JobError, JobResult, Verdict};
use crate::outbox::Outbox;

/// How soon a job runs again whose transactions lost every race they met.
const CONTENDED_SNOOZE: Duration = Duration::from_secs(1);

/// How long a lease is valid without renewal.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTerms {
    /// A worker that is silent for so long has lost its jobs.
    pub term: Duration,
    /// How often it says that it lives.
    pub renew_every: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { term: Duration::from_secs(30), renew_every: Duration::from_secs(8) }
    }
}

/// What became of a wake-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performed {
    /// Nothing to claim: not due, taken, ended, or gone.
    NotThere,
    /// It ran and ended so.
    Ended(JobResult),
    /// The process is leaving: the job was given back.
    GivenBack,
}

/// Performs jobs with the handlers of `App`.
pub struct Engine<App> {
    outbox: Outbox,
    registry: Registry<App>,
    app: Arc<App>,
    owner: String,
    terms: LeaseTerms,
    /// What is being worked on right now: the leases to renew.
    held: Mutex<BTreeSet<JobId>>,
    /// Cancelled when running work has to be given back.
    cut: CancellationToken,
}

impl<App> std::fmt::Debug for Engine<App> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("owner", &self.owner)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl<App: Send + Sync + 'static> Engine<App> {
    /// `owner` must be unique to this process start: it is what leases are held by.
    pub fn new(
        outbox: Outbox,
        registry: Registry<App>,
        app: Arc<App>,
        owner: String,
        terms: LeaseTerms,
    ) -> Self {
        Self { outbox, registry, app, owner, terms, held: Mutex::default(), cut: CancellationToken::new() }
    }

    /// The application handlers work in.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Where jobs are written.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn registry(&self) -> &Registry<App> {
        &self.registry
    }

    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// The jobs this process works on.
    pub(crate) fn held(&self) -> Vec<JobId> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Keeps the job's lease renewed for as long as the guard lives.
    fn hold(&self, job: JobId) -> Held<'_> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        Held { jobs: &self.held, job }
    }

    fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// Everything that still runs is cut off at its next `await` and given back.
    pub fn cut_running_work(&self) {
        self.cut.cancel();
    }

    /// Takes the job if it is due and nobody has it.
    pub async fn claim(&self, id: JobId) -> StoreResult<Option<Lease>> {
        let now = self.clock().now();
        let mut conn = self.outbox.pool().acquire().await?;
        jobs::claim(&mut conn, id, &self.owner, now + self.terms.term, now).await
    }

    /// Claims, runs and ends one job.
    pub async fn perform(&self, id: JobId) -> StoreResult<Performed> {
        match self.claim(id).await? {
            Some(lease) => Ok(self.run(lease).await),
            None => Ok(Performed::NotThere),
        }
    }

    /// Runs a claimed job and writes how it ended.
    pub async fn run(&self, lease: Lease) -> Performed {
        let _held = self.hold(lease.fence.job);
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

    async fn run_in_span(&self, lease: Lease) -> Performed {
        let started = Instant::now();
        measure::started(&lease, self.clock().now());
        let run = Run::new(lease, self.outbox.clone());
        let result = tokio::select! {
            biased;
            () = self.cut.cancelled() => None,
            result = self.judge(&run) => Some(result),
        };
        let Some(result) = result else {
            self.give_back(&run).await;
            return Performed::GivenBack;
        };
        self.end(&run, &result).await;
        measure::ended(run.lease(), &result, started.elapsed());
        Performed::Ended(result)
    }

    /// The handler's word, with panics, time-outs and unknown kinds put into the same words.
    async fn judge(&self, run: &Run) -> JobResult {
        let lease = run.lease();
        if lease.attempt > lease.max_attempts {
            return Err(JobError::give_up(format!(
                "started {} times and never came to an end",
                lease.max_attempts
            )));
        }
        let Some(entry) = self.registry.get(&lease.kind) else {
            // A newer release wrote it; its workers are on their way.
            let after = Duration::from_secs(30);
            return Err(JobError::Wait {
                after,
                reason: format!("this release does not know `{}`", lease.kind),
            });
        };
        let work = tokio::time::timeout(entry.policy.timeout, self.perform_again(entry, run));
        let guarded = AssertUnwindSafe(work).catch_unwind();
        match guarded.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(JobError::retry(format!("took longer than {} s", entry.policy.timeout.as_secs())))
            }
            Err(panic) => Err(JobError::retry(format!("panicked: {}", panic_text(panic.as_ref())))),
        }
    }

    /// The handler's word. A handler that lost a race in the database is run again, which it has to bear as it bears a crash;
    /// one that keeps losing is left for a moment. Neither costs an attempt: nothing of the job's own went wrong.
    async fn perform_again(&self, entry: &Entry<App>, run: &Run) -> JobResult {
        let lease = run.lease();
        let ended = repeat_contended(|| async {
            let ended = (entry.perform)(lease.payload.clone(), run, &self.app).await;
            if let Err(JobError::Contended { reason }) = &ended {
                measure::contended(lease);
                tracing::debug!(reason, "a transaction of the job lost a race");
            }
            ended
        })
        .await;
        match ended {
            Err(JobError::Contended { reason }) => Err(JobError::Wait { after: CONTENDED_SNOOZE, reason }),
            ended => ended,
        }
    }

    /// Writes how the run ended. MySQL may be away for a moment: the outcome is kept and offered again
    /// until the lease would have run out, after which the rescuer decides.
    async fn end(&self, run: &Run, result: &JobResult) {
        if run.has_ended() {
            return;
        }
        let deadline = Instant::now() + self.terms.term;
        let mut pause = Duration::from_millis(50);
        loop {
            match self.write_end(run, result).await {
                Ok(()) => return,
                Err(StoreError::Stale { .. }) => {
                    tracing::warn!("the lease was taken away before the job's end was written");
                    return;
                }
                Err(error) if Instant::now() + pause < deadline && !self.cut.is_cancelled() => {
                    tracing::warn!(error = %error, "the job's end could not be written yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error) => {
                    tracing::error!(error = %error, "the job's end could not be written; its lease will run out");
                    return;
                }
            }
        }
    }

    async fn write_end(&self, run: &Run, result: &JobResult) -> StoreResult<()> {
        let lease = run.lease();
        let (fence, now) = (lease.fence, self.clock().now());
        match result {
            Ok(Verdict::Done) => jobs::complete(&mut *self.conn().await?, fence, None, now).await,
            Ok(Verdict::Skip(why)) => {
                tracing::info!(reason = %why, "skipped");
                jobs::complete(&mut *self.conn().await?, fence, Some(why), now).await
            }
            Ok(Verdict::Snooze { until, reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, *until, reason).await
            }
            Err(JobError::LeaseLost) => Err(StoreError::Stale { what: "job" }),
            Err(JobError::Wait { after, reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, now + *after, reason).await
            }
            Err(JobError::Contended { reason }) => {
                jobs::snooze(&mut *self.conn().await?, fence, now + CONTENDED_SNOOZE, reason).await
            }
            Err(JobError::Retry { reason, after }) if lease.attempt < lease.max_attempts => {
                let entry = self.registry.get(&lease.kind);
                let after = after.unwrap_or_else(|| delay(entry, lease.attempt));
                tracing::warn!(reason, retry_in_ms = after.as_millis(), "failed, will be tried again");
                jobs::retry(&mut *self.conn().await?, fence, now + after, reason).await
            }
            Err(JobError::Retry { reason, .. }) => {
                self.bury(run, &format!("{reason} (attempt {} was the last)", lease.attempt)).await
            }
            Err(JobError::GiveUp { reason }) => self.bury(run, reason).await,
        }
    }

    /// Buries the job and lets its handler leave honest state behind, in one transaction.
    async fn bury(&self, run: &Run, reason: &str) -> StoreResult<()> {
        let lease = run.lease();
        tracing::error!(reason, "given up");
        let mut unit = self.outbox.begin(lease.trace.clone()).await?;
        if !jobs::lock_held(&mut unit, lease.fence).await? {
            return Err(StoreError::Stale { what: "job" });
        }
        if let Some(entry) = self.registry.get(&lease.kind) {
            let buried = (entry.bury)(lease.payload.clone(), &mut unit, reason, &self.app).await;
            if let Err(error) = buried {
                return Err(StoreError::Corrupt {
                    what: "state behind a dead job",
                    reason: error.to_string(),
                });
            }
        }
        jobs::bury(&mut unit, lease.fence, reason, self.clock().now()).await?;
        unit.commit().await
    }

    /// Ends a job that lost its worker: another start if any is left, burial otherwise.
    pub(crate) async fn end_abandoned(&self, lease: Lease) {
        let _held = self.hold(lease.fence.job);
        let run = Run::new(lease, self.outbox.clone());
        let result = Err(JobError::retry("its worker died or froze while it ran"));
        self.end(&run, &result).await;
        measure::rescued(run.lease());
    }

    async fn give_back(&self, run: &Run) {
        let released =
            async { jobs::release(&mut *self.conn().await?, run.lease().fence, self.clock().now()).await };
        match released.await {
            Ok(()) => tracing::info!("given back, the worker is leaving"),
            Err(error) => tracing::warn!(error = %error, "could not be given back; its lease will run out"),
        }
    }

    async fn conn(&self) -> StoreResult<sqlx::pool::PoolConnection<sqlx::MySql>> {
        Ok(self.outbox.pool().acquire().await?)
    }
}

/// One job being worked on.
struct Held<'a> {
    jobs: &'a Mutex<BTreeSet<JobId>>,
    job: JobId,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

fn delay<App>(entry: Option<&Entry<App>>, attempt: u32) -> Duration {
    entry.map_or(Duration::from_secs(30), |entry| entry.policy.delays.after(attempt, rand::random()))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
