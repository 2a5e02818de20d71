//! The worker process of the chaos tests: the real runtime, handlers that only count.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_jobs::runtime::engine::{Engine, LeaseTerms};
use flysk_jobs::runtime::ticks::TickRegistry;
use flysk_jobs::runtime::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_jobs::{DatabaseClock, Keys, Outbox, Queue, Waker, connect_redis};
use flysk_runtime::Shutdown;

use super::clock::{FileClock, WrongClock};
use super::work::{Bench, registry};

/// How a chaos worker runs.
#[derive(Debug, Clone)]
pub struct ChaosWorker {
    /// MySQL.
    pub database_url: String,
    /// Redis.
    pub redis_url: String,
    /// Jobs at once.
    pub concurrency: usize,
    /// How long a lease is valid.
    pub lease: Duration,
    /// Grace time on SIGTERM.
    pub grace: Duration,
    /// How far the wall clock of its machine is ahead.
    pub wall_ahead: TimeDelta,
    /// A file that says what time it is, if not the database.
    pub clock: Option<PathBuf>,
}

/// Short enough for tests that wait for a lease to run out.
pub fn terms(lease: Duration) -> LeaseTerms {
    LeaseTerms { term: lease, renew_every: lease / 4 }
}

impl ChaosWorker {
    /// Works until SIGTERM; prints `ready` when it takes jobs.
    #[expect(clippy::print_stdout, reason = "the fleet waits for the line")]
    pub async fn run(self) -> anyhow::Result<()> {
        let shutdown = Shutdown::install(self.grace)?;
        let pool = flysk_store::connect(&self.database_url, 40).await?;
        let keys = Keys::new("chaos");
        let connection = connect_redis(&self.redis_url).await?;
        let waker = Waker::new(connection.clone(), keys.clone());
        let clock: Arc<dyn Clock> = match self.clock {
            Some(file) => Arc::new(FileClock::open(file)?),
            None => {
                Arc::new(DatabaseClock::start_beside(pool.clone(), WrongClock::ahead(self.wall_ahead)).await?)
            }
        };
        let outbox = Outbox::new(pool, Some(waker), clock);
        let engine = Engine::new(outbox, registry(), Arc::new(Bench), owner_name("chaos"), terms(self.lease));
        let redis = RedisHandle { connection, client: redis::Client::open(self.redis_url)?, keys };
        let options = WorkerOptions {
            queues: BTreeMap::from([(Queue::Upkeep, self.concurrency)]),
            ticks: 0,
            grace: self.grace,
        };
        println!("ready");
        worker::run(Arc::new(engine), TickRegistry::default(), redis, options, shutdown.token()).await;
        Ok(())
    }
}
