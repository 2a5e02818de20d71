//! Keeps our leases alive, and takes back those of workers that fell silent.

use std::sync::Arc;
use std::time::Duration;

use flysk_store::{StoreResult, jobs};
use tokio_util::sync::CancellationToken;

use super::engine::Engine;

/// How many abandoned jobs one look takes back.
const AT_ONCE: u32 = 200;

/// Renews the lease of every job this process works on until `stop`.
pub(super) async fn renew_leases<App: Send + Sync + 'static>(
    engine: Arc<Engine<App>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(engine.terms().renew_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let until = engine.outbox().clock().now() + engine.terms().term;
        let renewed = async {
            let mut conn = engine.outbox().pool().acquire().await?;
            jobs::extend_leases(&mut conn, engine.owner(), &engine.held(), until).await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(error = %error, "leases could not be renewed");
        }
    }
}

/// Looks for abandoned jobs until `stop`.
pub(super) async fn rescue_abandoned<App: Send + Sync + 'static>(
    engine: Arc<Engine<App>>,
    stop: CancellationToken,
) {
    let every = (engine.terms().term / 6).max(Duration::from_millis(100));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        if let Err(error) = engine.rescue_once().await {
            tracing::warn!(error = %error, "abandoned jobs could not be looked for");
        }
    }
}

impl<App: Send + Sync + 'static> Engine<App> {
    /// Takes back jobs whose lease ran out; returns how many. Any number of processes may do this at
    /// once: each job is taken under a new fence, by one of them.
    pub async fn rescue_once(&self) -> StoreResult<usize> {
        let now = self.outbox().clock().now();
        let expired = jobs::list_expired(&mut *self.outbox().pool().acquire().await?, now, AT_ONCE).await?;
        let mut rescued = 0;
        for mut lease in expired {
            let until = now + self.terms().term;
            let mut conn = self.outbox().pool().acquire().await?;
            let taken = jobs::take_back(&mut conn, lease.fence, self.owner(), until, now).await?;
            drop(conn);
            if let Some(fence) = taken {
                lease.fence = fence;
                self.end_abandoned(lease).await;
                rescued += 1;
            }
        }
        Ok(rescued)
    }
}
