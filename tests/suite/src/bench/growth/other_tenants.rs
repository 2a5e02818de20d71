//! Starts of jobs: how many per second, and how late those of other tenants beside one tenant with many.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::{Job as _, Outbox, QueueNotifier, RedisKeys, connect_redis};
use tokio::time::MissedTickBehavior;

use super::bench_env::BenchEnv;
use super::kinds::Start;
use super::waiting;
use crate::bench::role::Role;
use crate::bench::servers::Servers;
use crate::bench::times::{Sample, Times, rate};
use crate::bench::workers::Workers;

/// Empty jobs whose starts are counted: two seconds of work.
const BACKLOG_JOBS: u32 = 20_000;
/// Backlogs on each database. The median counts.
const BACKLOGS: usize = 3;
/// Jobs per transaction when the backlog is written.
const ENQUEUE_BATCH: u32 = 500;
/// Waiting jobs of the one tenant to compare with. A worker needs 15 s for them.
pub(super) const FEW_DUE_JOBS: u32 = 50_000;
/// Jobs of other tenants, and their pace.
const OTHER_TENANTS_JOBS: u32 = 200;
const OTHER_TENANTS_JOBS_PER_SECOND: u32 = 20;
/// Time between the start of a worker and the first measured job.
const WARM_UP_TIME: Duration = Duration::from_secs(2);

/// Start delays of other tenants' jobs.
#[derive(Debug)]
pub(super) struct StartDelays {
    /// With nothing else to do.
    pub(super) idle: Times,
    /// Beside [`FEW_DUE_JOBS`] due jobs of one tenant.
    pub(super) few: Times,
    /// Beside many.
    pub(super) many: Times,
}

/// Starts of empty jobs per second on both databases, measured in turns.
pub(super) async fn starts_per_second(
    servers: &Servers,
    empty: &BenchEnv,
    full: &BenchEnv,
) -> anyhow::Result<[f64; 2]> {
    let (benches, mut rates) = ([empty, full], [Vec::new(), Vec::new()]);
    for backlog in 0..BACKLOGS {
        for position in 0..2 {
            let side = (backlog + position) % 2;
            rates[side].push(starts_on(servers, benches[side], backlog).await?);
        }
    }
    Ok(rates.map(median))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn starts_on(servers: &Servers, bench: &BenchEnv, number: usize) -> anyhow::Result<f64> {
    let outbox = Outbox::new(bench.env.pool.clone(), None, Arc::new(SystemClock));
    for batch in 0..BACKLOG_JOBS / ENQUEUE_BATCH {
        enqueue(&outbox, batch, ENQUEUE_BATCH).await?;
    }
    let workers = Workers::start(servers, &role(servers, bench, &format!("starts-{number}"))?, 1)?;
    workers.wait_for(BACKLOG_JOBS).await?;
    let starts = workers.stop()?;
    // Otherwise the empty database would not stay empty.
    sqlx::query("DELETE FROM jobs WHERE kind = ?").bind(Start::KIND).execute(&bench.env.pool).await?;
    rate(&starts).context("too few jobs started")
}

/// Measures start delays; the waiting jobs of the full database are due for this time.
pub(super) async fn start_delays(
    servers: &Servers,
    empty: &BenchEnv,
    full: &BenchEnv,
    waiting: u32,
) -> anyhow::Result<StartDelays> {
    let idle = delays(servers, empty, "idle").await?;
    waiting::insert_due(&empty.env.pool, FEW_DUE_JOBS).await?;
    let few = delays(servers, empty, "few").await?;
    waiting::set_due(&full.env.pool, waiting, SystemClock.now()).await?;
    let many = delays(servers, full, "many").await;
    // In any case: workers of later measurements do not know these jobs.
    waiting::set_due(&full.env.pool, waiting, waiting::later()).await?;
    Ok(StartDelays { idle, few, many: many? })
}

async fn delays(servers: &Servers, bench: &BenchEnv, name: &str) -> anyhow::Result<Times> {
    let role = role(servers, bench, name)?;
    let Role::Count { prefix, .. } = &role else { anyhow::bail!("another role") };
    let redis = connect_redis(&servers.redis_url).await?;
    let notifier = QueueNotifier::new(redis, RedisKeys::new(prefix.as_str()));
    let outbox = Outbox::new(bench.env.pool.clone(), Some(notifier), Arc::new(SystemClock));
    let workers = Workers::start(servers, &role, 1)?;
    tokio::time::sleep(WARM_UP_TIME).await;
    let mut every = tokio::time::interval(Duration::from_secs(1) / OTHER_TENANTS_JOBS_PER_SECOND);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..OTHER_TENANTS_JOBS {
        every.tick().await;
        enqueue(&outbox, number % waiting::OTHER_TENANTS, 1).await?;
    }
    workers.wait_for(OTHER_TENANTS_JOBS).await?;
    Times::new(workers.stop()?.into_iter().map(Sample::late)).context("no job started")
}

/// Enqueues jobs of a tenant in one transaction. Their time starts before it begins.
async fn enqueue(outbox: &Outbox, tenant: u32, jobs: u32) -> anyhow::Result<()> {
    let enqueued_us = SystemClock.now().timestamp_micros();
    let trace = Trace { correlation_id: format!("bench-{:016x}", rand::random::<u64>()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    for _ in 0..jobs {
        unit.enqueue(&Start { enqueued_us, of: format!("other{tenant}") }).await?;
    }
    Ok(unit.commit().await?)
}

/// A worker process on the environment's database, with keys of its own in Redis.
fn role(servers: &Servers, bench: &BenchEnv, name: &str) -> anyhow::Result<Role> {
    Ok(Role::Count {
        database_url: bench.database_url()?,
        redis_url: servers.redis_url.clone(),
        prefix: format!("{}-{name}", bench.env.name()),
        polls_from: None,
    })
}
