//! Gauges of queue depth, counted in MySQL a slice at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::jobs::{self, Depth, JobState};
use flysk_store::{Pool, StoreResult, answered};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use crate::executor::Executor;
use crate::queue_name::QueueName;

/// Interval of slices, and so of the gauges while few jobs wait. Prometheus commonly scrapes every 15 to 60 s.
const SLICE_INTERVAL: Duration = Duration::from_secs(10);

/// Jobs that a slice counts: some 20 ms of the database's time.
const SLICE_SIZE: u32 = 50_000;

/// Counted states, in this order.
const STATES: [JobState; 3] = [JobState::Queued, JobState::Running, JobState::Dead];

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
    let kinds = executor.registry().queues();
    let (pool, clock) = (executor.outbox().pool(), executor.outbox().clock());
    let mut tick = tokio::time::interval(SLICE_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut unfinished: Option<DepthCount> = None;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let mut count = unfinished.take().unwrap_or_else(|| DepthCount::begin(clock.now()));
        match count.count_slice(pool, SLICE_SIZE).await {
            Ok(false) => unfinished = Some(count),
            Ok(true) => count.record(&kinds),
            Err(error) => tracing::warn!(error = %error, "failed to count the queues"),
        }
    }
}

/// A count of the waiting, running and dead jobs. During a count of several slices, some of the jobs that relays push may be counted
/// twice: no more than wait in Redis.
#[derive(Debug)]
struct DepthCount {
    /// Jobs are due if they are due at this time.
    began_at: DateTime<Utc>,
    states: usize,
    /// Where the next slice of the next state begins.
    from: DateTime<Utc>,
    numbers: HashMap<(String, JobState, bool), Number>,
}

/// Number of jobs, and the earliest `run_at` among them.
#[derive(Debug, Clone, Copy)]
struct Number {
    count: i64,
    oldest: DateTime<Utc>,
}

impl DepthCount {
    fn begin(at: DateTime<Utc>) -> Self {
        Self { began_at: at, states: 0, from: DateTime::UNIX_EPOCH, numbers: HashMap::new() }
    }

    /// Counts about `rows` jobs more; `true` if these were the last ones.
    async fn count_slice(&mut self, pool: &Pool, rows: u32) -> StoreResult<bool> {
        let mut left = rows;
        while let Some(&state) = STATES.get(self.states) {
            let (from, due_at) = (self.from, self.began_at);
            let counting =
                async { jobs::count_slice(&mut *pool.acquire().await?, state, from, left, due_at).await };
            let slice = answered(counting).await?;
            let read: i64 = slice.depths.iter().map(|depth| depth.count).sum();
            slice.depths.into_iter().for_each(|depth| self.add(state, depth));
            if let Some(next) = slice.next {
                self.from = next;
                return Ok(false);
            }
            (self.states, self.from) = (self.states + 1, DateTime::UNIX_EPOCH);
            // At least one, so that an empty state is passed in the same slice.
            left = left.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX)).max(1);
        }
        Ok(true)
    }

    fn add(&mut self, state: JobState, depth: Depth) {
        let Depth { kind, due, count, oldest } = depth;
        let number = self.numbers.entry((kind, state, due)).or_insert(Number { count: 0, oldest });
        number.count += count;
        number.oldest = number.oldest.min(oldest);
    }

    /// Sets all gauges of the kinds, so that states without jobs return to zero: `flysk_jobs{queue,kind,state}` and
    /// `flysk_jobs_oldest_due_seconds{queue,kind}`, and the time of which they tell.
    fn record(&self, kinds: &[(&'static str, QueueName)]) {
        for &(kind, queue) in kinds {
            let queue = queue.as_str();
            let find = |state, due| self.numbers.get(&(kind.to_owned(), state, due));
            for (label, state, due) in STATE_LABELS {
                let matching = [true, false].into_iter().filter(|one| due.is_none_or(|due| due == *one));
                let count: i64 = matching.filter_map(|due| find(state, due)).map(|number| number.count).sum();
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody has 2^52 jobs")]
                gauge!("flysk_jobs", "queue" => queue, "kind" => kind, "state" => label).set(count as f64);
            }
            let waits = find(JobState::Queued, true).map(|number| self.began_at - number.oldest);
            gauge!("flysk_jobs_oldest_due_seconds", "queue" => queue, "kind" => kind)
                .set(waits.unwrap_or_default().as_seconds_f64());
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a float")]
        gauge!("flysk_jobs_counted_timestamp_seconds").set(self.began_at.timestamp() as f64);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use flysk_domain::{Clock as _, ManualClock};
    use sqlx::MySqlPool;

    use super::*;
    use crate::job_fixture::insert_job;

    /// Also those that share one time of their push, which are more than a slice.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn each_job_is_counted_once_in_whatever_slices(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let now = clock.now();
        let before = |seconds: i64| now - TimeDelta::seconds(seconds);
        for seconds in [60, 50, 50, 50, 50, 0] {
            insert_job(&pool, &clock, "test.one", before(seconds)).await;
        }
        for seconds in [70, 50, -60] {
            insert_job(&pool, &clock, "test.other", before(seconds)).await;
        }
        let claimed = insert_job(&pool, &clock, "test.one", before(80)).await;
        let claim = jobs::claim(&mut pool.acquire().await.unwrap(), claimed, "test", now, now).await;
        assert!(claim.unwrap().is_some());

        for (rows, slices) in [(1, 5), (2, 3), (100, 1)] {
            let mut count = DepthCount::begin(now);
            let mut counted = 1;
            while !count.count_slice(&pool, rows).await.unwrap() {
                counted += 1;
            }
            assert_eq!(counted, slices, "slices of {rows}");
            let number = |kind: &str, state: JobState, due: bool| {
                count.numbers.get(&(kind.to_owned(), state, due)).map(|number| (number.count, number.oldest))
            };
            assert_eq!(number("test.one", JobState::Queued, true), Some((6, before(60))));
            assert_eq!(number("test.other", JobState::Queued, true), Some((2, before(70))));
            assert_eq!(number("test.other", JobState::Queued, false), Some((1, before(-60))));
            assert_eq!(number("test.one", JobState::Running, true), Some((1, before(80))));
            assert_eq!(count.numbers.len(), 4);
        }
    }
}
