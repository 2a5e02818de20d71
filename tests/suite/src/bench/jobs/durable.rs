//! Durable jobs: stored in MySQL, woken through Redis.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::{Outbox, QueueNotifier, RedisKeys, connect_redis};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::recorder::NoOp;
use super::{DURABLE_BACKLOG, Pace};
use crate::bench::role::Role;
use crate::bench::servers::Servers;
use crate::bench::times::{Times, rate};
use crate::bench::workers::Workers;

/// Jobs per transaction when the backlog is written.
const ENQUEUE_BATCH_SIZE: u32 = 500;

/// Latency from enqueue to start, with one worker process.
pub(super) async fn latency(servers: &Servers, pace: Pace) -> anyhow::Result<Times> {
    let (database_url, pool) = servers.fresh_database().await?;
    let prefix = format!("bench-durable-{}", pace.per_second);
    let redis = connect_redis(&servers.redis_url).await?;
    let outbox = Outbox::new(
        pool,
        Some(QueueNotifier::new(redis, RedisKeys::new(prefix.as_str()))),
        Arc::new(SystemClock),
    );
    let role = role(servers, database_url, prefix);
    let workers = Workers::start(servers, &role, 1)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut every = tokio::time::interval(Duration::from_secs(1) / pace.per_second);
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut writing = JoinSet::new();
    for _ in 0..pace.jobs {
        every.tick().await;
        let outbox = outbox.clone();
        writing.spawn(async move { enqueue(&outbox, 1).await });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    workers.wait_for(pace.jobs).await?;
    Times::new(workers.stop()?.into_iter().map(crate::bench::times::Sample::late)).context("no job started")
}

/// Starts per second with a backlog.
pub(super) async fn throughput(servers: &Servers, processes: usize) -> anyhow::Result<f64> {
    let (database_url, pool) = servers.fresh_database().await?;
    let outbox = Outbox::new(pool, None, Arc::new(SystemClock));
    for _ in 0..DURABLE_BACKLOG / ENQUEUE_BATCH_SIZE {
        enqueue(&outbox, ENQUEUE_BATCH_SIZE).await?;
    }
    let role = role(servers, database_url, format!("bench-backlog-{processes}"));
    let workers = Workers::start(servers, &role, processes)?;
    workers.wait_for(DURABLE_BACKLOG).await?;
    rate(&workers.stop()?).context("too few jobs started")
}

/// Enqueues jobs in one transaction. Their time starts before it begins.
async fn enqueue(outbox: &Outbox, jobs: u32) -> anyhow::Result<()> {
    let enqueued_us = SystemClock.now().timestamp_micros();
    let trace = Trace { correlation_id: format!("bench-{:016x}", rand::random::<u64>()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    for _ in 0..jobs {
        unit.enqueue(&NoOp { enqueued_us }).await?;
    }
    Ok(unit.commit().await?)
}

fn role(servers: &Servers, database_url: String, prefix: String) -> Role {
    Role::Count { database_url, redis_url: servers.redis_url.clone(), prefix, polls_from: None }
}
