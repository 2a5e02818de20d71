//! Servers and worker processes that can be killed, frozen, wiped and restarted.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::{Job, Keys, Outbox, Waker, connect_redis};
use flysk_store::Pool;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use xtask::services::{Durability, Mysql, Redis, Server, fastest_directory};

use super::clock::FileClock;
use super::work::create_tables;
use crate::ports::quiet_port;

/// One fleet at a time: two cores cannot show what a dozen servers at once would do.
static TURN: Mutex<()> = Mutex::const_new(());

/// A directory for servers of a test's own.
pub fn own_directory() -> anyhow::Result<TempDir> {
    let parent = fastest_directory();
    std::fs::create_dir_all(&parent)?;
    Ok(tempfile::tempdir_in(parent)?)
}

/// How long anything may take that is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// Servers of its own and the workers on them.
pub struct Fleet {
    dir: TempDir,
    mysql: Mysql,
    redis: Redis,
    mysql_server: Server,
    redis_server: Server,
    /// The tests' own connections.
    pub pool: Pool,
    /// What the tests enqueue with.
    pub outbox: Outbox,
    pub(super) workers: Vec<Option<Child>>,
    /// How long leases of the workers are valid.
    pub lease: Duration,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Starts the servers; no workers yet.
    pub async fn start(lease: Duration) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let dir = own_directory()?;
        let mysql = Mysql::find().context("no database server: run `cargo xtask test`, which installs it")?;
        let redis = Redis::find().context("no Redis server: run `cargo xtask test`, which installs it")?;
        let mysql_server =
            mysql.start(&dir.path().join("mysql"), Some(quiet_port()?), Durability::Process)?;
        let redis_server = redis.start(&dir.path().join("redis"), Some(quiet_port()?))?;
        let pool = flysk_store::connect(&Mysql::url(&mysql_server), 20).await?;
        flysk_migrations::MIGRATOR.run(&pool).await?;
        create_tables(&pool).await?;
        let connection = connect_redis(&Redis::url(&redis_server)).await?;
        let outbox = Outbox::new(
            pool.clone(),
            Some(Waker::new(connection, Keys::new("chaos"))),
            Arc::new(SystemClock),
        );
        Ok(Self {
            dir,
            mysql,
            redis,
            mysql_server,
            redis_server,
            pool,
            outbox,
            workers: Vec::new(),
            lease,
            _turn: turn,
        })
    }

    /// Stops the clock of workers that are started from now on, and moves it.
    pub fn set_clock(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        FileClock::set(&self.clock_file(), now)
    }

    fn clock_file(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    /// Starts a worker process and waits until it takes jobs; returns its number.
    pub fn start_worker(&mut self, concurrency: usize, grace: Duration) -> anyhow::Result<usize> {
        self.start_skewed_worker(concurrency, grace, TimeDelta::zero())
    }

    /// [`Fleet::start_worker`] on a machine whose wall clock is ahead by `wall_ahead`.
    pub fn start_skewed_worker(
        &mut self,
        concurrency: usize,
        grace: Duration,
        wall_ahead: TimeDelta,
    ) -> anyhow::Result<usize> {
        let log = std::fs::File::create(self.dir.path().join(format!("worker-{}.log", self.workers.len())))?;
        let mut child = Command::new(worker_binary()?)
            .arg(Mysql::url(&self.mysql_server))
            .arg(Redis::url(&self.redis_server))
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

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self, worker: usize) -> anyhow::Result<()> {
        let mut child = self.workers.get_mut(worker).and_then(Option::take).context("no such worker")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM; how long the process took to end, and whether it ended well.
    pub fn terminate(&mut self, worker: usize) -> anyhow::Result<(Duration, bool)> {
        self.signal(worker, "TERM")?;
        let asked = Instant::now();
        let mut child = self.workers.get_mut(worker).and_then(Option::take).context("no such worker")?;
        let status = child.wait()?;
        Ok((asked.elapsed(), status.success()))
    }

    /// Whether the process runs.
    pub fn is_running(&mut self, worker: usize) -> bool {
        let child = self.workers.get_mut(worker).and_then(Option::as_mut);
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// What a worker logged.
    pub fn log(&self, worker: usize) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("worker-{worker}.log"))).unwrap_or_default()
    }

    /// Waits until a worker logged a text so often.
    pub async fn wait_for_log(&self, worker: usize, text: &str, wanted: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
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

    /// Wipes Redis.
    pub async fn flush_redis(&self) -> anyhow::Result<()> {
        Ok(redis::cmd("FLUSHALL").query_async(&mut self.redis_connection().await?).await?)
    }

    /// Lets Redis hang for a while.
    pub async fn pause_redis(&self, pause: Duration) -> anyhow::Result<()> {
        let millis = u64::try_from(pause.as_millis())?;
        let mut connection = self.redis_connection().await?;
        redis::cmd("CLIENT").arg("PAUSE").arg(millis).query_async::<()>(&mut connection).await?;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Kills Redis and starts it again at the same address.
    pub fn restart_redis(&mut self) -> anyhow::Result<()> {
        self.stop_redis();
        self.start_redis()
    }

    /// Kills Redis.
    pub fn stop_redis(&mut self) {
        self.redis_server.kill();
    }

    /// Starts Redis again at the same address.
    pub fn start_redis(&mut self) -> anyhow::Result<()> {
        let port = self.redis_server.port;
        self.redis_server = self.redis.start(&self.dir.path().join("redis"), Some(port))?;
        if self.redis_server.port == port { Ok(()) } else { bail!("port {port} was taken meanwhile") }
    }

    /// Kills MySQL and starts it again at the same address.
    pub fn restart_mysql(&mut self) -> anyhow::Result<()> {
        self.stop_mysql();
        self.start_mysql()
    }

    /// Kills MySQL.
    pub fn stop_mysql(&mut self) {
        self.mysql_server.kill();
    }

    /// Starts MySQL again at the same address.
    pub fn start_mysql(&mut self) -> anyhow::Result<()> {
        let port = self.mysql_server.port;
        self.mysql_server =
            self.mysql.start(&self.dir.path().join("mysql"), Some(port), Durability::Process)?;
        if self.mysql_server.port == port { Ok(()) } else { bail!("port {port} was taken meanwhile") }
    }

    /// A connection to Redis for looking.
    pub async fn redis_connection(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(Redis::url(&self.redis_server))?.get_multiplexed_async_connection().await?)
    }

    /// Writes jobs, a hundred to a transaction, trying again while MySQL is away: a commit whose answer
    /// was lost may have happened, which is why each batch first looks whether it is there.
    pub async fn enqueue<J: Job>(&self, jobs: &[J]) -> anyhow::Result<()> {
        for batch in jobs.chunks(100) {
            let trace =
                Trace { correlation_id: format!("chaos-{:016x}", rand::random::<u64>()), traceparent: None };
            let deadline = Instant::now() + PATIENCE;
            while let Err(error) = self.enqueue_batch(batch, &trace).await {
                if Instant::now() > deadline {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    async fn enqueue_batch<J: Job>(&self, batch: &[J], trace: &Trace) -> anyhow::Result<()> {
        let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE correlation_id = ?")
            .bind(&trace.correlation_id)
            .fetch_one(&self.pool)
            .await?;
        if there > 0 {
            return Ok(());
        }
        let mut unit = self.outbox.begin(trace.clone()).await?;
        for job in batch {
            unit.enqueue(job).await?;
        }
        Ok(unit.commit().await?)
    }

    /// Waits until a count that `query` gives is at least `wanted`.
    pub async fn wait_for(&self, query: &'static str, wanted: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            // MySQL may be away: that is what some tests are about.
            if let Ok(count) = sqlx::query_scalar::<_, i64>(query).fetch_one(&self.pool).await {
                if count >= wanted {
                    return Ok(());
                }
                last = Some(count);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("`{query}` came to {last:?}, not to {wanted}")
    }

    /// Now, by the clock the workers use.
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
        self.redis_server.kill();
        self.mysql_server.kill();
    }
}

/// Built by `cargo build --bins`, beside the tests.
fn worker_binary() -> anyhow::Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(std::path::Path::parent).context("no target folder")?;
    let binary = folder.join("flysk-chaos-worker");
    if binary.exists() { Ok(binary) } else { bail!("{} is not built: cargo build --bins", binary.display()) }
}
