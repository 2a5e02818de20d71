//! Measured processes: this executable, started again in another role.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_config::process::Shutdown;
use flysk_config::{LogFormat, Telemetry};
use flysk_domain::SystemClock;
use flysk_jobs::queues;
use flysk_queue::EphemeralRegistry;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::worker::{self, RedisHandle, WorkerOptions, owner_name};
use flysk_queue::{Outbox, QueueNotifier, RedisKeys, Registry, connect_redis};
use tokio_util::sync::CancellationToken;

use super::bare;
use super::growth::{Occupy, Start};
use super::jobs::{CONCURRENCY, NoOp, NoOpEphemeral, Poll, StartRecorder};
use super::recognitions::first_looks;
use super::role::Role;
use crate::chaos::worker::ChaosWorker;

/// Timeout for stopping a measured process.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Interval between progress reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// Runs in this role until SIGTERM.
pub(super) async fn run(role: Role) -> anyhow::Result<()> {
    // The peer does not log per job either.
    let telemetry = Telemetry { format: LogFormat::Json, filter: "warn".to_owned(), metrics_listen: None };
    flysk_config::process::telemetry::install(&telemetry)?;
    match role {
        Role::Count { database_url, redis_url, prefix, polls_from } => {
            let polls = polls_from.map(first_looks).unwrap_or_default();
            count(&database_url, &redis_url, &prefix, &polls).await
        }
        Role::Bare { database_url, port, connections } => bare::serve(&database_url, port, connections).await,
        Role::NaiveRenewals(renewals) => renewals.run().await,
        Role::Fail { database_url, redis_url } => {
            let lease = LeaseConfig::default().ttl;
            let (concurrency, grace, clock) = (1, STOP_GRACE, None);
            let wall_ahead = chrono::TimeDelta::zero();
            let worker =
                ChaosWorker { database_url, redis_url, concurrency, lease, grace, wall_ahead, clock };
            worker.run().await
        }
    }
}

/// Runs the real job runtime with handlers that record their start.
async fn count(
    database_url: &str,
    redis_url: &str,
    prefix: &str,
    polls: &[DateTime<Utc>],
) -> anyhow::Result<()> {
    let shutdown = Shutdown::install(STOP_GRACE)?;
    let pool = flysk_store::connect(database_url, 24).await?;
    let connection = connect_redis(redis_url).await?;
    let keys = RedisKeys::new(prefix);
    let outbox =
        Outbox::new(pool, Some(QueueNotifier::new(connection.clone(), keys.clone())), Arc::new(SystemClock));
    let recorder = Arc::new(StartRecorder::new(polls));
    let jobs = Registry::default().with::<NoOp>().with::<Occupy>().with::<Start>();
    let executor =
        Executor::new(outbox, jobs, Arc::clone(&recorder), owner_name("bench"), LeaseConfig::default());
    let redis = RedisHandle { connection, keys };
    let options = WorkerOptions {
        all_queues: vec![queues::UPKEEP],
        queues: BTreeMap::from([(queues::UPKEEP, CONCURRENCY)]),
        ephemeral: CONCURRENCY,
        grace: STOP_GRACE,
    };
    tell("ready")?;
    let telling = tokio::spawn(tell_count(Arc::clone(&recorder), shutdown.token()));
    let ephemeral = EphemeralRegistry::default().with::<NoOpEphemeral>().with::<Poll>();
    worker::run(Arc::new(executor), ephemeral, redis, options, shutdown.token()).await;
    telling.await??;
    tell(&format!("samples {}", serde_json::to_string(&recorder.samples())?))
}

async fn tell_count(recorder: Arc<StartRecorder>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut told = 0;
    while stop.run_until_cancelled(tokio::time::sleep(REPORT_INTERVAL)).await.is_some() {
        let count = recorder.count();
        if count != told {
            told = count;
            tell(&format!("count {count}"))?;
        }
    }
    Ok(())
}

/// Prints a line for the measuring process.
fn tell(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
