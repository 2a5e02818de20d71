//! Gauges of queue depth, read from MySQL.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_store::jobs::{self, Depth, JobState};
use flysk_store::{StoreResult, answered};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use crate::executor::Executor;

/// Interval of the gauges. Prometheus commonly scrapes every 15 to 60 s.
const RECORD_INTERVAL: Duration = Duration::from_secs(10);

/// Counting reads all jobs that wait, run or are dead. It may take this part of the time, however many there are: 0.3 s for a
/// million jobs are spent every 150 s.
const COUNTING_SHARE: u32 = 500;

/// Longest time between two counts.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// Values of the label `state` with the rows they count.
const STATE_LABELS: [(&str, JobState, Option<bool>); 4] = [
    ("due", JobState::Queued, Some(true)),
    ("later", JobState::Queued, Some(false)),
    ("running", JobState::Running, None),
    ("dead", JobState::Dead, None),
];

/// Sets the gauges until `stop`. Every worker process reports the same values: aggregate them with `max`.
pub(super) async fn record_periodically<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(RECORD_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next = Instant::now();
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let start = Instant::now();
        if start < next {
            continue;
        }
        match executor.record_queue_depths().await {
            Ok(()) => next = start + pause_after(start.elapsed()),
            Err(error) => tracing::warn!(error = %error, "failed to read queue depths"),
        }
    }
}

/// Time from the start of a count that took this long to the start of the next one.
fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(COUNTING_SHARE).min(MAX_PAUSE)
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// Counts waiting, running and dead jobs of every registered kind, and sets the gauges
    /// `flysk_jobs{queue,kind,state}` and `flysk_jobs_oldest_due_seconds{queue,kind}`.
    pub async fn record_queue_depths(&self) -> StoreResult<()> {
        let kinds = self.registry().queues();
        let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
        let now = self.outbox().clock().now();
        let counting = async { jobs::depths(&mut *self.outbox().pool().acquire().await?, &names, now).await };
        let depths = answered(counting).await?;
        let mut by_kind: HashMap<&str, Vec<&Depth>> = HashMap::new();
        for depth in &depths {
            by_kind.entry(&depth.kind).or_default().push(depth);
        }
        for (kind, queue) in kinds {
            record(queue.as_str(), kind, by_kind.get(kind).map_or(&[], Vec::as_slice), now);
        }
        Ok(())
    }
}

/// Sets all gauges of a kind, so that states without jobs return to zero.
fn record(queue: &'static str, kind: &'static str, depths: &[&Depth], now: DateTime<Utc>) {
    for (label, state, due) in STATE_LABELS {
        let matching =
            depths.iter().filter(|depth| depth.state == state && due.is_none_or(|due| depth.due == due));
        let count: i64 = matching.map(|depth| depth.count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 jobs")]
        gauge!("flysk_jobs", "queue" => queue, "kind" => kind, "state" => label).set(count as f64);
    }
    let due = depths.iter().filter(|depth| depth.state == JobState::Queued && depth.due);
    let waits = due.map(|depth| now - depth.oldest).max().unwrap_or_default();
    gauge!("flysk_jobs_oldest_due_seconds", "queue" => queue, "kind" => kind).set(waits.as_seconds_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_count_is_repeated_seldom() {
        assert!(pause_after(Duration::from_millis(20)) <= RECORD_INTERVAL, "few jobs are counted every time");
        assert_eq!(pause_after(Duration::from_millis(300)), Duration::from_secs(150));
        assert_eq!(pause_after(Duration::from_mins(1)), MAX_PAUSE);
    }
}
