//! A worker in the process of the test, with handlers that the test controls.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_jobs::queues;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::{ConcurrencyLimit, RateLimiter};
use flysk_queue::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_queue::{
    Backoff, EphemeralRegistry, Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, Outbox, Policy,
    QueueNotifier, RedisKeys, Registry, connect_redis,
};
use flysk_store::{Tx, jobs};
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::worker::lease_config;
use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Jobs that the worker runs at once.
pub(crate) const CONCURRENCY: usize = 4;
/// Time for running jobs after a stop began, the reserve for releasing them included.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Permits of the limit that [`Limited`] takes.
pub(crate) const LIMIT_PERMITS: u32 = 2;

const POLICY: Policy =
    Policy::for_queue(queues::UPKEEP).backoff(Backoff::Fixed(&[Duration::from_millis(50)]));

/// Context of the handlers.
pub(crate) struct Stage {
    /// Kinds of the jobs that were started.
    started: Mutex<Vec<&'static str>>,
    /// Each of its permits lets one job pass that waits.
    gate: Semaphore,
    /// Of the worker's runtime.
    limiter: OnceLock<RateLimiter>,
    limited: AtomicUsize,
    most_limited: AtomicUsize,
    /// Open transactions that lock rows of jobs.
    locks: Mutex<Vec<Tx>>,
}

impl Stage {
    /// With a closed gate.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Mutex::default(),
            gate: Semaphore::new(0),
            limiter: OnceLock::new(),
            limited: AtomicUsize::new(0),
            most_limited: AtomicUsize::new(0),
            locks: Mutex::default(),
        })
    }

    /// Lets this many jobs pass that wait; those that come later pass at once.
    pub(crate) fn let_pass(&self, jobs: usize) {
        self.gate.add_permits(jobs);
    }

    /// Lets all jobs pass that wait.
    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Number of starts of a kind.
    pub(crate) fn starts<J: Job>(&self) -> usize {
        open(&self.started).iter().filter(|kind| **kind == J::KIND).count()
    }

    /// Waits until as many jobs of a kind were started.
    pub(crate) async fn wait_for_starts<J: Job>(&self, wanted: usize) -> anyhow::Result<()> {
        let started = async {
            while self.starts::<J>() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), started).await.context("too few jobs were started")
    }

    /// The largest number of jobs that held the limit at once.
    pub(crate) fn most_limited(&self) -> usize {
        self.most_limited.load(Ordering::SeqCst)
    }

    /// Releases the rows that handlers have locked.
    pub(crate) fn unlock_rows(&self) {
        open(&self.locks).clear();
    }

    async fn pass_gate(&self) -> JobResult {
        let passed = self.gate.acquire().await;
        passed.map_err(|closed| JobError::retry(closed.to_string()))?.forget();
        Ok(JobOutcome::Done)
    }

    fn note_start<J: Job>(&self) {
        open(&self.started).push(J::KIND);
    }
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Declares a kind whose jobs have a key.
macro_rules! kind {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) struct $name {
            /// Unique among the jobs of the kind.
            pub(crate) key: u64,
        }

        impl Job for $name {
            const KIND: &'static str = $kind;
            const POLICY: Policy = POLICY;
            const TRIGGER: &'static str = "a chaos test";
            const DESCRIPTION: &'static str = "is observed by the test";
        }
    };
}

kind!(
    /// Ends at once.
    Quick,
    "ahead.quick"
);
kind!(
    /// Waits for the gate, or ends at once while that lets jobs pass.
    Wait,
    "ahead.wait"
);
kind!(
    /// Takes the limit for a moment, or waits for it.
    Limited,
    "ahead.limited"
);
kind!(
    /// Leaves its row locked by another transaction.
    LeaveLocked,
    "ahead.leave_locked"
);
kind!(
    /// Loses its lease to another worker.
    LoseLease,
    "ahead.lose_lease"
);

/// Waits for the gate like [`Wait`]. All of them belong to one tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OfBusyTenant {
    /// Unique among the jobs of the kind.
    pub(crate) key: u64,
}

impl Job for OfBusyTenant {
    const KIND: &'static str = "ahead.of_busy_tenant";
    const POLICY: Policy = POLICY;
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "is observed by the test";

    fn tenant(&self) -> Option<String> {
        Some("busy".to_owned())
    }
}

impl JobHandler<Stage> for OfBusyTenant {
    async fn handle(&self, _: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        stage.pass_gate().await
    }
}

impl JobHandler<Stage> for Quick {
    async fn handle(&self, _: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        Ok(JobOutcome::Done)
    }
}

impl JobHandler<Stage> for Wait {
    async fn handle(&self, _: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        stage.pass_gate().await
    }
}

impl JobHandler<Stage> for Limited {
    async fn handle(&self, run: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        let limiter = stage.limiter.get().ok_or_else(|| JobError::retry("no limiter"))?;
        let limit = ConcurrencyLimit {
            name: "ahead".to_owned(),
            permits: LIMIT_PERMITS,
            permit_ttl: Duration::from_secs(20),
            close_when_held_longer_than: None,
        };
        let holder = run.job_id().to_string();
        limiter.acquire_permit_or_snooze(&limit, &holder, Duration::from_millis(20)).await?;
        let held = stage.limited.fetch_add(1, Ordering::SeqCst) + 1;
        stage.most_limited.fetch_max(held, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        stage.limited.fetch_sub(1, Ordering::SeqCst);
        limiter.release_permit(&limit, &holder).await;
        Ok(JobOutcome::Done)
    }
}

impl JobHandler<Stage> for LeaveLocked {
    async fn handle(&self, run: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        let mut tx = run.pool().begin().await?;
        sqlx::query("SELECT id FROM jobs WHERE id = ? FOR UPDATE")
            .bind(run.job_id().to_string())
            .execute(&mut *tx)
            .await?;
        open(&stage.locks).push(tx);
        Ok(JobOutcome::Done)
    }
}

impl JobHandler<Stage> for LoseLease {
    async fn handle(&self, run: &JobContext, stage: &Stage) -> JobResult {
        stage.note_start::<Self>();
        sqlx::query("UPDATE jobs SET fence = fence + 1, lease_owner = 'another' WHERE id = ?")
            .bind(run.job_id().to_string())
            .execute(run.pool())
            .await?;
        Ok(JobOutcome::Done)
    }
}

/// A worker with a runtime of its own, so that it can end like a killed process.
pub(crate) struct InProcessWorker {
    runtime: Option<Runtime>,
    running: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl InProcessWorker {
    /// Starts a worker on the fleet's servers.
    pub(crate) fn start(fleet: &Fleet, stage: &Arc<Stage>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let stop = CancellationToken::new();
        let lease = lease_config(fleet.lease);
        let work = run(fleet.database_url(), fleet.redis_url(), lease, Arc::clone(stage), stop.clone());
        let running = runtime.spawn(work);
        Ok(Self { runtime: Some(runtime), running, stop })
    }

    /// Ends it like SIGKILL: nothing more is written.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Ends it like SIGTERM.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (&mut self.running).await?
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for InProcessWorker {
    fn drop(&mut self) {
        self.end();
    }
}

async fn run(
    database_url: String,
    redis_url: String,
    lease: LeaseConfig,
    stage: Arc<Stage>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let pool = flysk_store::configure_pool(MySqlPoolOptions::new().max_connections(30))
        // Like production's sessions, but a row that stays locked is given up after 1 s instead of 10 s.
        .after_connect(|conn, _| {
            Box::pin(async move {
                for set in [
                    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                    "SET SESSION innodb_lock_wait_timeout = 1",
                ] {
                    sqlx::raw_sql(set).execute(&mut *conn).await?;
                }
                Ok(())
            })
        })
        .connect_with(MySqlConnectOptions::from_str(&database_url)?)
        .await?;
    let (connection, keys) = (connect_redis(&redis_url).await?, RedisKeys::new("chaos"));
    stage.limiter.get_or_init(|| RateLimiter::new(connection.clone(), keys.clone()));
    let notifier = QueueNotifier::new(connection.clone(), keys.clone());
    let outbox = Outbox::new(pool, Some(notifier), Arc::new(SystemClock));
    let registry = Registry::default()
        .with::<Quick>()
        .with::<Wait>()
        .with::<OfBusyTenant>()
        .with::<Limited>()
        .with::<LeaveLocked>()
        .with::<LoseLease>();
    let executor = Executor::new(outbox, registry, stage, owner_name("test"), lease);
    let options = WorkerOptions {
        all_queues: vec![queues::UPKEEP],
        queues: BTreeMap::from([(queues::UPKEEP, CONCURRENCY)]),
        ephemeral: 0,
        grace: STOP_GRACE,
    };
    let redis = RedisHandle { connection, keys };
    worker::run(Arc::new(executor), EphemeralRegistry::default(), redis, options, stop).await;
    Ok(())
}

/// Enqueues one job per key, 100 per transaction. Relays push all wake-ups, in this order.
pub(crate) async fn enqueue<J: Job>(
    fleet: &Fleet,
    keys: std::ops::Range<u64>,
    job: impl Fn(u64) -> J,
) -> anyhow::Result<()> {
    let outbox = Outbox::new(fleet.pool.clone(), None, Arc::new(SystemClock));
    let keys: Vec<u64> = keys.collect();
    for batch in keys.chunks(100) {
        let trace = Trace { correlation_id: "ahead".to_owned(), traceparent: None };
        let mut unit = outbox.begin(trace).await?;
        for key in batch {
            unit.enqueue(&job(*key)).await?;
        }
        unit.commit().await?;
    }
    Ok(())
}

/// The only job of a kind.
pub(crate) async fn only_job<J: Job>(fleet: &Fleet) -> anyhow::Result<jobs::JobRow> {
    let found = jobs::list(&mut *fleet.pool.acquire().await?, None, Some(J::KIND), 1).await?;
    found.into_iter().next().context("no job of the kind")
}
