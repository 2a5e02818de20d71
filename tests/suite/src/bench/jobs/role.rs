//! The processes that are measured: this executable again, in another role.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::SystemClock;
use flysk_jobs::runtime::engine::{Engine, LeaseTerms};
use flysk_jobs::runtime::ticks::TickRegistry;
use flysk_jobs::runtime::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_jobs::{Keys, Outbox, Queue, Registry, Waker, connect_redis};
use flysk_runtime::Shutdown;
use flysk_runtime::config::{LogFormat, Telemetry};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::CONCURRENCY;
use super::tally::{NoOp, NoOpTick, Poll, Tally};
use crate::bench::platform::bare;
use crate::bench::recognitions::first_looks;
use crate::chaos::worker::ChaosWorker;

/// How long a measured process may take to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often it tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// What a process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(in crate::bench) enum Role {
    /// Note starts of jobs and ticks; told on SIGTERM.
    Count {
        /// MySQL.
        database_url: String,
        /// Redis.
        redis_url: String,
        /// Of keys in Redis.
        prefix: String,
        /// When the first of the recognitions in flight is to be looked at; none are without.
        polls_from: Option<DateTime<Utc>>,
    },
    /// Be the peer of the HTTP API.
    Bare {
        /// MySQL.
        database_url: String,
        /// Where to listen, on 127.0.0.1.
        port: u16,
        /// To the database.
        connections: u32,
    },
    /// Fail on schedule.
    Fail {
        /// MySQL.
        database_url: String,
        /// Redis.
        redis_url: String,
    },
}

impl Role {
    /// From the command line.
    pub(in crate::bench) fn parse(json: &str) -> anyhow::Result<Self> {
        serde_json::from_str(json).context("not a role")
    }

    /// Works until SIGTERM.
    pub(in crate::bench) async fn run(self) -> anyhow::Result<()> {
        // The peer writes no line per job either.
        let telemetry =
            Telemetry { format: LogFormat::Json, filter: "warn".to_owned(), metrics_listen: None };
        flysk_runtime::telemetry::install(&telemetry)?;
        match self {
            Self::Count { database_url, redis_url, prefix, polls_from } => {
                let polls = polls_from.map(first_looks).unwrap_or_default();
                count(&database_url, &redis_url, &prefix, &polls).await
            }
            Self::Bare { database_url, port, connections } => {
                bare::serve(&database_url, port, connections).await
            }
            Self::Fail { database_url, redis_url } => {
                let lease = LeaseTerms::default().term;
                let (concurrency, grace, clock) = (1, GRACE, None);
                let wall_ahead = chrono::TimeDelta::zero();
                let worker =
                    ChaosWorker { database_url, redis_url, concurrency, lease, grace, wall_ahead, clock };
                worker.run().await
            }
        }
    }
}

/// The real runtime around handlers that note their start.
async fn count(
    database_url: &str,
    redis_url: &str,
    prefix: &str,
    polls: &[DateTime<Utc>],
) -> anyhow::Result<()> {
    let shutdown = Shutdown::install(GRACE)?;
    let pool = flysk_store::connect(database_url, 24).await?;
    let connection = connect_redis(redis_url).await?;
    let keys = Keys::new(prefix);
    let outbox = Outbox::new(pool, Some(Waker::new(connection.clone(), keys.clone())), Arc::new(SystemClock));
    let tally = Arc::new(Tally::new(polls));
    let jobs = Registry::default().with::<NoOp>();
    let engine = Engine::new(outbox, jobs, Arc::clone(&tally), owner_name("bench"), LeaseTerms::default());
    let redis = RedisHandle { connection, client: redis::Client::open(redis_url)?, keys };
    let options = WorkerOptions {
        queues: BTreeMap::from([(Queue::Upkeep, CONCURRENCY)]),
        ticks: CONCURRENCY,
        grace: GRACE,
    };
    tell("ready")?;
    let telling = tokio::spawn(tell_count(Arc::clone(&tally), shutdown.token()));
    let ticks = TickRegistry::default().with::<NoOpTick>().with::<Poll>();
    worker::run(Arc::new(engine), ticks, redis, options, shutdown.token()).await;
    telling.await??;
    tell(&format!("samples {}", serde_json::to_string(&tally.samples())?))
}

async fn tell_count(tally: Arc<Tally>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut told = 0;
    while stop.run_until_cancelled(tokio::time::sleep(TELL_EVERY)).await.is_some() {
        let count = tally.count();
        if count != told {
            told = count;
            tell(&format!("count {count}"))?;
        }
    }
    Ok(())
}

/// A line to whoever measures.
fn tell(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
