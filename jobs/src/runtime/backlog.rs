//! How much waits, for the metrics: read from MySQL every few seconds, since only MySQL knows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::jobs::{self, Depth, JobState};
use flysk_store::{StoreError, StoreResult};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;

/// Between two looks. Prometheus commonly asks every 15 to 60 s.
const EVERY: Duration = Duration::from_secs(10);

/// Where a job of a kind can stand, as the metric says it.
const PLACES: [(&str, JobState, Option<bool>); 4] = [
    ("due", JobState::Queued, Some(true)),
    ("later", JobState::Queued, Some(false)),
    ("running", JobState::Running, None),
    ("dead", JobState::Dead, None),
];

/// Looks until `stop`. Each worker process does: they tell the same, so `max` over them is the truth.
pub(super) async fn watch<App: Send + Sync + 'static>(engine: Arc<Engine<App>>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        if let Err(error) = engine.measure_backlog().await {
            tracing::warn!(error = %error, "how much waits could not be read");
        }
    }
}

impl<App: Send + Sync + 'static> Engine<App> {
    /// Reads how much of every known kind waits, runs and died, and sets the gauges
    /// `flysk_jobs{queue,kind,state}` and `flysk_jobs_oldest_due_seconds{queue,kind}`.
    pub async fn measure_backlog(&self) -> StoreResult<()> {
        let kinds = self.registry().queues();
        let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
        let now = self.outbox().clock().now();
        let mut conn = self.outbox().pool().acquire().await.map_err(StoreError::from)?;
        let depths = jobs::depths(&mut conn, &names, now).await?;
        drop(conn);
        let mut by_kind: HashMap<&str, Vec<&Depth>> = HashMap::new();
        for depth in &depths {
            by_kind.entry(&depth.kind).or_default().push(depth);
        }
        for (kind, queue) in kinds {
            show(queue.as_str(), kind, by_kind.get(kind).map_or(&[], Vec::as_slice), now);
        }
        Ok(())
    }
}

/// Every gauge of a kind is set each time: what is gone must fall back to zero.
fn show(queue: &'static str, kind: &'static str, depths: &[&Depth], now: DateTime<Utc>) {
    for (place, state, due) in PLACES {
        let there =
            depths.iter().filter(|depth| depth.state == state && due.is_none_or(|due| depth.due == due));
        let count: i64 = there.map(|depth| depth.count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 jobs")]
        gauge!("flysk_jobs", "queue" => queue, "kind" => kind, "state" => place).set(count as f64);
    }
    let due = depths.iter().filter(|depth| depth.state == JobState::Queued && depth.due);
    let waits = due.map(|depth| now - depth.oldest).max().unwrap_or_default();
    gauge!("flysk_jobs_oldest_due_seconds", "queue" => queue, "kind" => kind).set(waits.as_seconds_f64());
}
