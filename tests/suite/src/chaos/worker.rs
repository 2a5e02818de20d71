//! Worker process of the chaos tests: the real job runtime with handlers that only count.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flysk_config::process::Shutdown;
use flysk_domain::Clock;
use flysk_jobs::queues;
use flysk_queue::EphemeralRegistry;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_queue::{DatabaseClock, Outbox, QueueNotifier, RedisKeys, connect_redis};

use super::clock::{FileClock, WrongClock};
use super::limited::{ChaosContext, LimitedService};
use super::work::registry;

/// Configuration of a chaos worker.
#[derive(Debug, Clone)]
pub struct ChaosWorker {
    /// Address of MySQL.
    pub database_url: String,
    /// Address of Redis.
    pub redis_url: String,
    /// Concurrent jobs.
    pub concurrency: usize,
    /// Time without renewal after which jobs are rescued.
    pub lease: Duration,
    /// Grace time on SIGTERM.
    pub grace: Duration,
    /// Offset of the machine's wall clock, ahead of real time.
    pub wall_ahead: TimeDelta,
    /// File with the time, used instead of the database clock if set.
    pub clock: Option<PathBuf>,
}

/// Lease settings short enough for tests that wait for a lease to expire.
pub fn lease_config(lease: Duration) -> LeaseConfig {
    LeaseConfig { ttl: lease, renew_every: lease / 4 }
}

impl ChaosWorker {
    /// Runs until SIGTERM; prints `ready` when the worker takes jobs.
    #[expect(clippy::print_stdout, reason = "the fleet waits for the line")]
    pub async fn run(self) -> anyhow::Result<()> {
        let shutdown = Shutdown::install(self.grace)?;
        let pool = flysk_store::connect(&self.database_url, 40).await?;
        let keys = RedisKeys::new("chaos");
        let connection = connect_redis(&self.redis_url).await?;
        let notifier = QueueNotifier::new(connection.clone(), keys.clone());
        let clock: Arc<dyn Clock> = match self.clock {
            Some(file) => Arc::new(FileClock::open(file)?),
            None => Arc::new(
                DatabaseClock::start_with_wall_clock(pool.clone(), WrongClock::ahead(self.wall_ahead))
                    .await?,
            ),
        };
        let outbox = Outbox::new(pool, Some(notifier), clock);
        let executor = Executor::new(
            outbox,
            registry(),
            Arc::new(ChaosContext { service: LimitedService::new(connection.clone(), keys.clone()) }),
            owner_name("chaos"),
            lease_config(self.lease),
        );
        let redis = RedisHandle { connection, keys };
        let options = WorkerOptions {
            all_queues: vec![queues::UPKEEP],
            queues: BTreeMap::from([(queues::UPKEEP, self.concurrency)]),
            ephemeral: 0,
            grace: self.grace,
        };
        println!("ready");
        worker::run(Arc::new(executor), EphemeralRegistry::default(), redis, options, shutdown.token()).await;
        Ok(())
    }
}
