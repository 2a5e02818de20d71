//! The schedule. Each tick becomes one job, however many schedulers run; of several missed ticks only the last is caught up.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::{StoreResult, answered, cron_ticks, repeat_contended};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::outbox::{Outbox, UnitOfWork};

/// How often the scheduler looks for due entries.
const TICK_INTERVAL: Duration = Duration::from_millis(500);

type Enqueue = Arc<dyn for<'a> Fn(&'a mut UnitOfWork) -> BoxFuture<'a, StoreResult<()>> + Send + Sync>;

/// An entry of the schedule.
#[derive(Clone)]
pub struct ScheduleEntry {
    /// Unique name, part of the key that deduplicates ticks.
    pub name: &'static str,
    /// Six fields (seconds first), in UTC.
    pub expression: &'static str,
    schedule: cron::Schedule,
    enqueue: Enqueue,
}

impl std::fmt::Debug for ScheduleEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScheduleEntry")
            .field("name", &self.name)
            .field("expression", &self.expression)
            .finish_non_exhaustive()
    }
}

impl ScheduleEntry {
    /// An entry that enqueues the job of `make` at every tick of `expression`.
    ///
    /// # Errors
    ///
    /// The expression is invalid.
    pub fn new<J: Job>(
        name: &'static str,
        expression: &'static str,
        make: impl Fn() -> J + Send + Sync + 'static,
    ) -> Result<Self, cron::error::Error> {
        let make = Arc::new(make);
        let enqueue: Enqueue = Arc::new(move |unit| {
            let job = make();
            async move { unit.enqueue(&job).await.map(|_| ()) }.boxed()
        });
        Ok(Self { name, expression, schedule: cron::Schedule::from_str(expression)?, enqueue })
    }

    /// The last tick after `since` that is due at `now`. Earlier missed ticks are dropped.
    pub fn due(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Searched backwards from now, so that an outage of weeks costs no more than one of a second.
        let next_second = now + chrono::Duration::seconds(1);
        let last = self.schedule.after(&next_second).rev().find(|tick| *tick <= now)?;
        (last > since).then_some(last)
    }

    /// The first tick at `since` or later.
    pub fn next_at(&self, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Ticks are whole seconds, and `after` leaves out its argument.
        self.schedule.after(&(since - chrono::Duration::microseconds(1))).next()
    }
}

/// Enqueues a job for each tick.
#[derive(Debug)]
pub struct Scheduler {
    outbox: Outbox,
    entries: Vec<ScheduleEntry>,
    /// Start time for entries that have never ticked.
    since: DateTime<Utc>,
}

impl Scheduler {
    /// An entry that has never ticked starts with its first tick after now.
    pub fn new(outbox: Outbox, entries: Vec<ScheduleEntry>) -> Self {
        let since = outbox.clock().now();
        Self { outbox, entries, since }
    }

    /// Enqueues every due tick that no scheduler has enqueued; returns their number.
    pub async fn tick_once(&self) -> StoreResult<usize> {
        let now = self.outbox.clock().now();
        let mut enqueued = 0;
        for entry in &self.entries {
            let latest = async {
                cron_ticks::find_latest(&mut *self.outbox.pool().acquire().await?, entry.name).await
            };
            let since = answered(latest).await?.unwrap_or(self.since);
            let Some(tick_at) = entry.due(since, now) else { continue };
            let enqueue = || answered(self.enqueue(entry, tick_at, now));
            enqueued += usize::from(repeat_contended(enqueue).await?);
        }
        Ok(enqueued)
    }

    /// Enqueues the job of a tick; `false` if another scheduler has.
    async fn enqueue(
        &self,
        entry: &ScheduleEntry,
        tick_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let correlation_id = format!("cron.{}.{}", entry.name, tick_at.timestamp());
        let mut unit = self.outbox.begin(Trace { correlation_id, traceparent: None }).await?;
        if !cron_ticks::claim(&mut unit, entry.name, tick_at, now).await? {
            return Ok(false);
        }
        (entry.enqueue)(&mut unit).await?;
        unit.commit().await?;
        Ok(true)
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut every = tokio::time::interval(TICK_INTERVAL);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            if let Err(error) = self.tick_once().await {
                tracing::warn!(error = %error, "failed to enqueue scheduled ticks");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Policy, QueueName};

    #[derive(Serialize, Deserialize)]
    struct Prune {}

    impl Job for Prune {
        const KIND: &'static str = "test.prune";
        const POLICY: Policy = Policy::for_queue(QueueName::new("upkeep"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "nothing";
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn of_many_missed_ticks_the_last_is_due() {
        let entry = ScheduleEntry::new("prune", "0 */10 * * * *", || Prune {}).unwrap();
        let due = |since, now| entry.due(at(since), at(now));
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T10:09:59Z"), None);
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T10:10:00Z"), Some(at("2026-11-22T10:10:00Z")));
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T13:25:00Z"), Some(at("2026-11-22T13:20:00Z")));
        assert_eq!(due("2026-01-01T00:00:00Z", "2026-11-22T13:25:00Z"), Some(at("2026-11-22T13:20:00Z")));
    }

    #[test]
    fn the_next_tick_is_not_before_the_time_that_is_asked_for() {
        let entry = ScheduleEntry::new("prune", "0 */10 * * * *", || Prune {}).unwrap();
        for (since, next) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00.000001Z", "2026-11-22T10:10:00Z"),
            ("2026-11-22T10:09:59.5Z", "2026-11-22T10:10:00Z"),
            ("2026-12-31T23:55:00Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(entry.next_at(at(since)), Some(at(next)), "{since}");
        }
    }
}
