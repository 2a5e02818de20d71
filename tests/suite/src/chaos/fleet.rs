//! The database, Redis and worker processes that tests can kill, freeze, wipe and restart.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::{Job, Outbox, QueueNotifier, RedisKeys, connect_redis};
use flysk_store::{Pool, StoreResult, answered};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::clock::FileClock;
use super::database::{FleetDatabase, TestCluster};
use super::directory::own_directory;
use super::freeze::freeze_process;
use super::link::Link;
use super::marks::create_tables;
use super::redis::{Departure, FleetRedis, RedisWithSentinels};

/// Serializes the tests: two cores do not suffice for several fleets at once.
static FLEET_LOCK: Mutex<()> = Mutex::const_new(());

/// Waits until no fleet runs, for a test whose own servers need the machine too. Holds the machine until the result is dropped.
pub async fn lock_machine() -> MutexGuard<'static, ()> {
    FLEET_LOCK.lock().await
}

/// Timeout for every wait. Only what hangs takes as long.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// A private database and Redis, and worker processes that use them. On a cluster, each process uses another node.
pub struct Fleet {
    database: FleetDatabase,
    redis: FleetRedis,
    // After the servers that write into it.
    dir: TempDir,
    /// Connections of the test.
    pub pool: Pool,
    /// Outbox that the tests enqueue jobs with.
    pub outbox: Outbox,
    pub(super) workers: Vec<Option<Child>>,
    /// Lease duration of the workers.
    pub lease: Duration,
    _lock: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Starts the servers, without workers.
    pub async fn start(lease: Duration) -> anyhow::Result<Self> {
        Self::start_on(lease, FleetDatabase::start, FleetRedis::single).await
    }

    /// The same on a Redis that fails over.
    pub async fn start_with_sentinels(lease: Duration) -> anyhow::Result<Self> {
        Self::start_on(lease, FleetDatabase::start, sentinels).await
    }

    /// The same on a cluster of databases, whichever the environment selects.
    pub async fn start_on_cluster(lease: Duration) -> anyhow::Result<Self> {
        Self::start_on(lease, |_| cluster(), FleetRedis::single).await
    }

    /// The same on a cluster of databases and a Redis that fails over.
    pub async fn start_on_cluster_with_sentinels(lease: Duration) -> anyhow::Result<Self> {
        Self::start_on(lease, |_| cluster(), sentinels).await
    }

    async fn start_on(
        lease: Duration,
        start_database: impl FnOnce(&Path) -> anyhow::Result<FleetDatabase>,
        start_redis: impl FnOnce(&Path) -> anyhow::Result<FleetRedis>,
    ) -> anyhow::Result<Self> {
        let lock = lock_machine().await;
        let dir = own_directory()?;
        let database = start_database(&dir.path().join("mysql"))?;
        let redis = start_redis(&dir.path().join("redis"))?;
        let pool = flysk_store::connect(&database.url(0), 20).await?;
        flysk_migrations::migrate(&pool).await?;
        create_tables(&pool).await?;
        let connection = connect_redis(&redis.url()).await?;
        let outbox = Outbox::new(
            pool.clone(),
            Some(QueueNotifier::new(connection, RedisKeys::new("chaos"))),
            Arc::new(SystemClock),
        );
        Ok(Self { database, redis, dir, pool, outbox, workers: Vec::new(), lease, _lock: lock })
    }

    /// Address of the database for a client besides the test.
    pub fn database_url(&self) -> String {
        self.database.node_url(1)
    }

    /// Address of Redis.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// Fixes the clock of workers started from now on, or moves it.
    pub fn set_clock(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        FileClock::set(&self.clock_file(), now)
    }

    fn clock_file(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    /// Starts a worker process and waits until it takes jobs; returns its index.
    pub fn start_worker(&mut self, concurrency: usize, grace: Duration) -> anyhow::Result<usize> {
        self.start_skewed_worker(concurrency, grace, TimeDelta::zero())
    }

    /// Like [`Fleet::start_worker`], on a machine whose wall clock is ahead by `wall_ahead`.
    pub fn start_skewed_worker(
        &mut self,
        concurrency: usize,
        grace: Duration,
        wall_ahead: TimeDelta,
    ) -> anyhow::Result<usize> {
        let database_url = self.database.url(self.workers.len() + 1);
        self.start_worker_at(&database_url, concurrency, grace, wall_ahead)
    }

    /// Like [`Fleet::start_worker`], with a link to the database that can be cut.
    pub async fn start_worker_behind_link(
        &mut self,
        concurrency: usize,
        grace: Duration,
    ) -> anyhow::Result<(usize, Link)> {
        let (link, url) = self.database.link().await?;
        // The worker connects at once, through the link, which this thread must not hold up.
        let started =
            tokio::task::block_in_place(|| self.start_worker_at(&url, concurrency, grace, TimeDelta::zero()));
        Ok((started?, link))
    }

    fn start_worker_at(
        &mut self,
        database_url: &str,
        concurrency: usize,
        grace: Duration,
        wall_ahead: TimeDelta,
    ) -> anyhow::Result<usize> {
        let log = std::fs::File::create(self.dir.path().join(format!("worker-{}.log", self.workers.len())))?;
        let mut child = Command::new(worker_binary()?)
            .arg(database_url)
            .arg(self.redis.url())
            .arg(concurrency.to_string())
            .arg(self.lease.as_millis().to_string())
            .arg(grace.as_millis().to_string())
            .arg(wall_ahead.num_milliseconds().to_string())
            .args(Some(self.clock_file()).filter(|clock| clock.exists()))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        if line.trim() != "ready" {
            bail!("the worker did not start: {}", self.log(self.workers.len()));
        }
        self.workers.push(Some(child));
        Ok(self.workers.len() - 1)
    }

    /// Sends a signal to a worker.
    pub fn signal(&self, worker: usize, signal: &str) -> anyhow::Result<()> {
        let child = self.workers.get(worker).and_then(Option::as_ref).context("no such worker")?;
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status()?;
        if sent.success() { Ok(()) } else { bail!("kill -{signal} failed") }
    }

    /// Sends SIGSTOP and waits until every thread of the process has stopped.
    pub fn freeze(&self, worker: usize) -> anyhow::Result<()> {
        freeze_process(self.workers.get(worker).and_then(Option::as_ref).context("no such worker")?.id())
    }

    /// Sends SIGKILL and waits until the process has exited.
    pub fn kill(&mut self, worker: usize) -> anyhow::Result<()> {
        let mut child = self.workers.get_mut(worker).and_then(Option::take).context("no such worker")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits. Returns the time the process took to exit, and whether it exited with success.
    pub fn terminate(&mut self, worker: usize) -> anyhow::Result<(Duration, bool)> {
        self.signal(worker, "TERM")?;
        let asked = Instant::now();
        let mut child = self.workers.get_mut(worker).and_then(Option::take).context("no such worker")?;
        let status = child.wait()?;
        Ok((asked.elapsed(), status.success()))
    }

    /// Whether the process is running.
    pub fn is_running(&mut self, worker: usize) -> bool {
        let child = self.workers.get_mut(worker).and_then(Option::as_mut);
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// All that the worker has written so far; empty before its start.
    pub fn log(&self, worker: usize) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("worker-{worker}.log"))).unwrap_or_default()
    }

    /// Waits until a worker has logged a text `wanted` times.
    pub async fn wait_for_log(&self, worker: usize, text: &str, wanted: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while Instant::now() < deadline {
            if self.log(worker).matches(text).count() >= wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "worker {worker} logged `{text}` {} times, not {wanted}",
            self.log(worker).matches(text).count()
        )
    }

    /// Deletes all data in Redis.
    pub async fn flush_redis(&self) -> anyhow::Result<()> {
        Ok(redis::cmd("FLUSHALL").query_async(&mut self.redis_connection().await?).await?)
    }

    /// Makes Redis hang for a while.
    pub async fn pause_redis(&self, pause: Duration) -> anyhow::Result<()> {
        let millis = u64::try_from(pause.as_millis())?;
        let mut connection = self.redis_connection().await?;
        redis::cmd("CLIENT").arg("PAUSE").arg(millis).query_async::<()>(&mut connection).await?;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Kills Redis and restarts it on the same port.
    pub fn restart_redis(&mut self) -> anyhow::Result<()> {
        self.stop_redis();
        self.start_redis()
    }

    /// Kills Redis.
    pub fn stop_redis(&mut self) {
        self.redis.stop();
    }

    /// Starts Redis again on the same port.
    pub fn start_redis(&mut self) -> anyhow::Result<()> {
        self.redis.start_again()
    }

    /// The primary of Redis goes. Returns when the replica is the primary, with this moment.
    pub fn fail_over_redis(&mut self, departure: Departure) -> anyhow::Result<Instant> {
        self.redis.with_sentinels()?.fail_over(departure)
    }

    /// The Redis server that went becomes the replica.
    pub fn restore_redis(&mut self) -> anyhow::Result<()> {
        self.redis.with_sentinels()?.restore()
    }

    /// Kills the database and restarts it on the same port; of a cluster, the test's node.
    pub fn restart_mysql(&mut self) -> anyhow::Result<()> {
        self.database.restart()
    }

    /// Kills the database.
    pub fn stop_mysql(&mut self) {
        self.database.stop();
    }

    /// Starts the database again on the same port.
    pub fn start_mysql(&mut self) -> anyhow::Result<()> {
        self.database.start_again()
    }

    /// The cluster of databases.
    pub fn cluster(&mut self) -> anyhow::Result<&mut TestCluster> {
        self.database.cluster()
    }

    /// Connection to the primary of Redis for assertions.
    pub async fn redis_connection(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.redis.primary_url()?)?.get_multiplexed_async_connection().await?)
    }

    /// [`enqueue`] with the outbox of the test.
    pub async fn enqueue<J: Job>(&self, jobs: &[J]) -> anyhow::Result<()> {
        enqueue(&self.outbox, jobs).await
    }

    /// Waits until the count returned by `query` is at least `wanted`.
    pub async fn wait_for(&self, query: &'static str, wanted: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let mut last = None;
        while Instant::now() < deadline {
            // Some tests stop MySQL.
            if let Ok(count) = sqlx::query_scalar::<_, i64>(query).fetch_one(&self.pool).await {
                if count >= wanted {
                    return Ok(());
                }
                last = Some(count);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("`{query}` returned {last:?}, expected at least {wanted}")
    }

    /// Current time by the clock of the workers.
    pub fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for worker in 0..self.workers.len() {
                let log = self.log(worker);
                let tail: Vec<&str> = log.lines().rev().take(40).collect();
                for line in tail.into_iter().rev() {
                    tracing::error!(worker, "{line}");
                }
            }
        }
        for child in self.workers.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Enqueues jobs, 100 per transaction, and retries while the database is down. A commit may have succeeded although its
/// response was lost, so each retry first checks whether the batch exists.
pub async fn enqueue<J: Job>(outbox: &Outbox, jobs: &[J]) -> anyhow::Result<()> {
    for batch in jobs.chunks(100) {
        let trace =
            Trace { correlation_id: format!("chaos-{:016x}", rand::random::<u64>()), traceparent: None };
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while let Err(error) = answered(enqueue_batch(outbox, batch, &trace)).await {
            if Instant::now() > deadline {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

async fn enqueue_batch<J: Job>(outbox: &Outbox, batch: &[J], trace: &Trace) -> StoreResult<()> {
    let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE correlation_id = ?")
        .bind(&trace.correlation_id)
        .fetch_one(outbox.pool())
        .await?;
    if there > 0 {
        return Ok(());
    }
    let mut unit = outbox.begin(trace.clone()).await?;
    for job in batch {
        unit.enqueue(job).await?;
    }
    unit.commit().await
}

fn cluster() -> anyhow::Result<FleetDatabase> {
    Ok(FleetDatabase::Cluster(TestCluster::start()?))
}

fn sentinels(_: &Path) -> anyhow::Result<FleetRedis> {
    Ok(FleetRedis::WithSentinels(RedisWithSentinels::start()?))
}

/// Path of the worker executable, built by `cargo build --bins` next to the tests.
fn worker_binary() -> anyhow::Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent).context("no target directory")?;
    let binary = folder.join("flysk-chaos-worker");
    if binary.exists() { Ok(binary) } else { bail!("{} is not built: cargo build --bins", binary.display()) }
}
