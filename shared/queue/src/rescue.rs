//! Renews leases of running jobs, and rescues jobs with expired leases.

use std::sync::Arc;
use std::time::Duration;

use flysk_store::{StoreResult, answered, jobs, repeat_contended};
use tokio_util::sync::CancellationToken;

use crate::executor::Executor;

/// Abandoned jobs per query.
const RESCUE_BATCH_SIZE: u32 = 200;

/// Renews the leases of all jobs running in this process until `stop`.
pub(super) async fn renew_leases<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(executor.lease_config().renew_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let until = executor.outbox().clock().now() + executor.lease_config().ttl;
        let renew = || async {
            let mut conn = executor.outbox().pool().acquire().await?;
            jobs::extend_leases(&mut conn, executor.owner(), &executor.active_jobs(), until).await
        };
        if let Err(error) = repeat_contended(|| answered(renew())).await {
            tracing::warn!(error = %error, "failed to renew leases");
        }
    }
}

/// Rescues abandoned jobs until `stop`.
pub(super) async fn rescue_abandoned<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    stop: CancellationToken,
) {
    let every = (executor.lease_config().ttl / 6).max(Duration::from_millis(100));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        if let Err(error) = executor.rescue_once().await {
            tracing::warn!(error = %error, "failed to rescue abandoned jobs");
        }
    }
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// Takes back jobs whose leases have expired; returns their number. Any number of processes may do this: each job
    /// is taken once, under a new fence.
    pub async fn rescue_once(&self) -> StoreResult<usize> {
        let now = self.outbox().clock().now();
        let listing = async {
            jobs::list_expired(&mut *self.outbox().pool().acquire().await?, now, RESCUE_BATCH_SIZE).await
        };
        let expired = answered(listing).await?;
        let mut rescued = 0;
        for mut lease in expired {
            let (expired, until) = (lease.fence, now + self.lease_config().ttl);
            let take = || async {
                let mut conn = self.outbox().pool().acquire().await?;
                jobs::steal_expired(&mut conn, expired, self.owner(), until, now).await
            };
            if let Some(taken) = repeat_contended(|| answered(take())).await? {
                lease.fence = taken;
                self.end_abandoned(lease).await;
                rescued += 1;
            }
        }
        Ok(rescued)
    }
}
