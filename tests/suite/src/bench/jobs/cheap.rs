//! Ephemeral jobs: kept in Redis only.

use anyhow::Context as _;
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::{EphemeralQueue, RedisKeys, connect_redis};

use super::REDIS_BACKLOG;
use super::recorder::NoOpEphemeral;
use crate::bench::role::Role;
use crate::bench::servers::Servers;
use crate::bench::times::rate;
use crate::bench::workers::Workers;

/// Starts per second with a backlog.
pub(super) async fn throughput(servers: &Servers, processes: usize) -> anyhow::Result<f64> {
    let (database_url, _pool) = servers.fresh_database().await?;
    let prefix = format!("bench-cheap-{processes}");
    let ephemeral =
        EphemeralQueue::new(connect_redis(&servers.redis_url).await?, RedisKeys::new(prefix.as_str()));
    let now = SystemClock.now();
    let all: Vec<_> = (0..REDIS_BACKLOG).map(|number| (number.to_string(), now)).collect();
    for batch in all.chunks(1_000) {
        ephemeral.schedule_missing::<NoOpEphemeral>(batch).await?;
    }
    let role = Role::Count { database_url, redis_url: servers.redis_url.clone(), prefix, polls_from: None };
    let workers = Workers::start(servers, &role, processes)?;
    workers.wait_for(REDIS_BACKLOG).await?;
    rate(&workers.stop()?).context("too few jobs started")
}
