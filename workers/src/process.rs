//! Putting a worker process together from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use flysk_jobs::runtime::engine::{Engine, LeaseTerms};
use flysk_jobs::runtime::limits::Limits;
use flysk_jobs::runtime::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_jobs::{DatabaseClock, Keys, Outbox, Queue, Ticks, Waker, connect_redis_within};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{App, calls, registry, tick_registry};

/// Connections a worker needs besides its running jobs: relay, rescuer, renewals, ticks.
const SPARE_CONNECTIONS: u32 = 8;

/// Opens MySQL and gives the outbox of a process that only writes jobs (commands, scheduler).
pub async fn open_outbox(config: &Config) -> anyhow::Result<Outbox> {
    let pool = connect(config, config.database.max_connections).await?;
    let clock = DatabaseClock::start(pool.clone()).await?;
    Ok(Outbox::new(pool, None, Arc::new(clock)))
}

async fn connect(config: &Config, connections: u32) -> anyhow::Result<flysk_store::Pool> {
    let database = &config.database;
    let url = database.url.expose_secret();
    Ok(flysk_store::connect_within(url, connections, database.acquire_timeout).await?)
}

/// Opens Redis.
pub async fn open_redis(config: &Config) -> anyhow::Result<RedisHandle> {
    let url = config.redis.url.expose_secret();
    Ok(RedisHandle {
        connection: connect_redis_within(url, config.redis.response_timeout).await?,
        client: redis::Client::open(url)?,
        keys: Keys::new(config.redis.prefix.clone()),
    })
}

/// A worker ready to run.
#[derive(Debug)]
pub struct WorkerProcess {
    /// Performs jobs.
    pub engine: Arc<Engine<App>>,
    redis: RedisHandle,
    options: WorkerOptions,
}

impl WorkerProcess {
    /// Connects and composes. `queues` empty means all, and the ticks with them; the queue `oauth` comes with the lane of codes
    /// that no state vouches for, without which nothing is installed from the marketplace.
    pub async fn start(config: Config, queues: &[Queue], terms: LeaseTerms) -> anyhow::Result<Self> {
        let mut chosen: Vec<Queue> = if queues.is_empty() { Queue::ALL.to_vec() } else { queues.to_vec() };
        if chosen.contains(&Queue::Oauth) {
            chosen.push(Queue::OauthUnvouched);
        }
        let concurrency: BTreeMap<Queue, usize> =
            chosen.iter().map(|queue| (*queue, config.worker.concurrency.of(queue.as_str()))).collect();
        let running = u32::try_from(concurrency.values().sum::<usize>())?;
        let connections = config.database.max_connections.max(running.min(64) + SPARE_CONNECTIONS);
        let pool = connect(&config, connections).await?;
        let redis = open_redis(&config).await?;
        let waker = Waker::new(redis.connection.clone(), redis.keys.clone());
        let clock = DatabaseClock::start(pool.clone()).await?;
        let outbox = Outbox::new(pool, Some(waker), Arc::new(clock));
        let limits = Limits::new(redis.connection.clone(), redis.keys.clone());
        let ticks = Ticks::new(redis.connection.clone(), redis.keys.clone());
        tokio::fs::create_dir_all(&config.worker.scratch_dir).await?;
        let options = WorkerOptions {
            ticks: if chosen.contains(&Queue::Calls) { config.worker.concurrency.of("ticks") } else { 0 },
            queues: concurrency,
            grace: config.worker.grace,
        };
        let app = Arc::new(App::new(config, outbox.clone(), limits, ticks)?);
        let host = hostname();
        let engine = Arc::new(Engine::new(outbox, registry(), app, owner_name(&host), terms));
        Ok(Self { engine, redis, options })
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let vault = self.engine.app().vault.clone();
        let cleaning = calls::scratch::keep_clean(Arc::clone(self.engine.app()), stop.clone());
        let working = worker::run(self.engine, tick_registry(), self.redis, self.options, stop);
        tokio::join!(working, cleaning);
        // A pair amoCRM gave must be written; the grace time ends the process if the database stays away.
        vault.drain().await;
    }
}

/// The machine's name, for people who read who holds a lease.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned())
}
