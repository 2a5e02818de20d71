//! Builds a worker process from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use flysk_config::Concurrency;
use flysk_jobs::queues;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_queue::{
    DatabaseClock, EphemeralQueue, Outbox, QueueName, QueueNotifier, RedisConnection, RedisKeys,
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{App, ephemeral_registry, flysense::calls, registry};

/// Database connections besides those of running jobs: relay, rescuer, lease renewals, ephemeral jobs.
const SPARE_CONNECTIONS: u32 = 8;
/// Name of ephemeral jobs, which have a concurrency as queues have.
const EPHEMERAL: &str = "ephemeral";

/// Opens MySQL, which has the schema, and returns the outbox of a process that only enqueues jobs (commands, scheduler).
pub async fn open_outbox(config: &Config) -> anyhow::Result<Outbox> {
    let pool = connect(config, config.database.max_connections).await?;
    flysk_store::check_schema(&pool).await?;
    let clock = DatabaseClock::start(pool.clone()).await?;
    Ok(Outbox::new(pool, None, Arc::new(clock)))
}

/// Opens MySQL with at most `connections`.
pub async fn connect(config: &Config, connections: u32) -> anyhow::Result<flysk_store::Pool> {
    let database = &config.database;
    let url = database.url.expose_secret();
    Ok(flysk_store::connect_within(url, connections, database.acquire_timeout).await?)
}

/// Connects to the primary of Redis; an error if it is unavailable now.
pub async fn open_redis(config: &Config) -> anyhow::Result<RedisHandle> {
    Ok(RedisHandle {
        connection: RedisConnection::connect(&config.redis).await?,
        keys: RedisKeys::new(config.redis.prefix.clone()),
    })
}

/// A worker ready to run.
#[derive(Debug)]
pub struct WorkerProcess {
    /// Performs jobs.
    pub executor: Arc<Executor<App>>,
    redis: RedisHandle,
    options: WorkerOptions,
}

impl WorkerProcess {
    /// Connects and builds the process. An empty `names` means all queues and ephemeral jobs. `oauth` includes
    /// `oauth_unvouched`, because installs from the marketplace arrive in that queue.
    pub async fn start(
        config: Config,
        names: &[QueueName],
        lease_config: LeaseConfig,
    ) -> anyhow::Result<Self> {
        check_named_queues(&config.worker.concurrency)?;
        let mut chosen: Vec<QueueName> = if names.is_empty() { queues::ALL.to_vec() } else { names.to_vec() };
        if chosen.contains(&queues::OAUTH) {
            chosen.push(queues::OAUTH_UNVOUCHED);
        }
        let concurrency: BTreeMap<QueueName, usize> = chosen
            .iter()
            .map(|queue| (*queue, config.worker.concurrency.for_queue(queue.as_str())))
            .collect();
        let running = u32::try_from(concurrency.values().sum::<usize>())?;
        let connections = config.database.max_connections.max(running.min(64) + SPARE_CONNECTIONS);
        let pool = connect(&config, connections).await?;
        flysk_store::check_schema(&pool).await?;
        let redis = open_redis(&config).await?;
        let notifier = QueueNotifier::new(redis.connection.clone(), redis.keys.clone());
        let clock = DatabaseClock::start(pool.clone()).await?;
        let outbox = Outbox::new(pool, Some(notifier), Arc::new(clock));
        let limits = RateLimiter::new(redis.connection.clone(), redis.keys.clone());
        let ephemeral = EphemeralQueue::new(redis.connection.clone(), redis.keys.clone());
        tokio::fs::create_dir_all(&config.worker.scratch_dir).await?;
        let options = WorkerOptions {
            ephemeral: if chosen.contains(&queues::CALLS) {
                config.worker.concurrency.for_queue(EPHEMERAL)
            } else {
                0
            },
            all_queues: queues::ALL.to_vec(),
            queues: concurrency,
            grace: config.worker.grace,
        };
        let app = Arc::new(App::new(config, outbox.clone(), limits, ephemeral)?);
        let host = hostname();
        let executor = Arc::new(Executor::new(outbox, registry(), app, owner_name(&host), lease_config));
        Ok(Self { executor, redis, options })
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let vault = self.executor.app().vault.clone();
        let cleaning = calls::scratch::keep_clean(Arc::clone(self.executor.app()), stop.clone());
        let working = worker::run(self.executor, ephemeral_registry(), self.redis, self.options, stop);
        tokio::join!(working, cleaning);
        // Received token pairs must be stored before exit. If the database stays unavailable, the grace period ends the process.
        vault.drain().await;
    }
}

/// Refuses a name that is no queue: its number would have no effect.
fn check_named_queues(concurrency: &Concurrency) -> anyhow::Result<()> {
    for name in concurrency.named().filter(|name| *name != EPHEMERAL) {
        queues::parse(name).context("FLYSK_WORKER_CONCURRENCY")?;
    }
    Ok(())
}

/// Host name, part of the owner's name in leases.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned())
}

#[cfg(test)]
mod tests {
    use flysk_config::{Env, Worker};

    use super::*;

    fn check(value: &str) -> anyhow::Result<()> {
        let env = Env::default().with("FLYSK_WORKER_CONCURRENCY", value);
        check_named_queues(&Worker::from_env(&env).unwrap().concurrency)
    }

    #[test]
    fn a_number_for_a_queue_that_does_not_exist_is_refused() {
        check("audio=cores,lifecycle=512,ephemeral=64,*=16").unwrap();
        let error = format!("{:#}", check("audio=2,lifecicle=512").unwrap_err());
        assert!(error.contains("FLYSK_WORKER_CONCURRENCY") && error.contains("`lifecicle`"), "{error}");
    }

    #[test]
    fn the_default_names_queues_only() {
        check_named_queues(&Worker::from_env(&Env::default()).unwrap().concurrency).unwrap();
    }
}
