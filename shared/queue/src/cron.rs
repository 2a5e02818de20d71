//! The schedule. Each tick becomes one job, however many schedulers run; of several missed ticks only the last is caught up.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::{StoreError, StoreResult, answered, cron_ticks, repeat_while};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::outbox::{Outbox, UnitOfWork};

/// Interval at which the scheduler searches for due entries.
const TICK_INTERVAL: Duration = Duration::from_millis(500);

type Enqueue = Arc<dyn for<'a> Fn(&'a mut UnitOfWork) -> BoxFuture<'a, StoreResult<()>> + Send + Sync>;

/// A cron expression with the job that each of its ticks enqueues.
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
    /// Until when the ticks of each entry are over, as far as this scheduler knows. Another one may have enqueued later ones,
    /// which their key refuses here.
    known: Mutex<BTreeMap<&'static str, DateTime<Utc>>>,
}

impl Scheduler {
    /// An entry that has never ticked starts with its first tick after now.
    pub fn new(outbox: Outbox, entries: Vec<ScheduleEntry>) -> Self {
        let since = outbox.clock().now();
        Self { outbox, entries, since, known: Mutex::default() }
    }

    /// Enqueues every due tick that no scheduler has enqueued; returns their number.
    ///
    /// # Errors
    ///
    /// The last one, after the other entries were enqueued. Without the database, none is. While nothing is due, the database is
    /// not asked.
    pub async fn tick_once(&self) -> StoreResult<usize> {
        let now = self.outbox.clock().now();
        let (mut enqueued, mut failed) = (0, None);
        for entry in &self.entries {
            match self.tick(entry, now).await {
                Ok(is_enqueued) => enqueued += usize::from(is_enqueued),
                // The others would wait as long for the database.
                Err(error @ StoreError::Database(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(entry = entry.name, error = %error, "failed to enqueue a scheduled tick");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(enqueued), Err)
    }

    /// Enqueues the due tick of an entry; `false` if none is due, or another scheduler has enqueued it.
    async fn tick(&self, entry: &ScheduleEntry, now: DateTime<Utc>) -> StoreResult<bool> {
        let since = self.over_until(entry).await?;
        let Some(tick_at) = entry.due(since, now) else { return Ok(false) };
        // A row that stays locked is waited for once: the other entries are due too.
        let enqueue = || answered(self.enqueue(entry, tick_at, now));
        let is_enqueued = repeat_while(StoreError::is_lost_race, enqueue).await?;
        // By this scheduler or by another one.
        self.known().insert(entry.name, tick_at);
        Ok(is_enqueued)
    }

    /// The time up to which the ticks of an entry are over: read at the first look, known at the later ones.
    async fn over_until(&self, entry: &ScheduleEntry) -> StoreResult<DateTime<Utc>> {
        let known = self.known().get(entry.name).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let latest =
            async { cron_ticks::find_latest(&mut *self.outbox.pool().acquire().await?, entry.name).await };
        let since = answered(latest).await?.unwrap_or(self.since);
        self.known().insert(entry.name, since);
        Ok(since)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, DateTime<Utc>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
    use flysk_domain::ManualClock;
    use flysk_store::jobs;
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

    /// The database refuses it: its kind is longer than the column.
    #[derive(Serialize, Deserialize)]
    struct Refused {}

    impl Job for Refused {
        const KIND: &'static str =
            "test.refused_because_this_name_of_a_kind_is_longer_than_the_column_of_kinds";
        const POLICY: Policy = Policy::for_queue(QueueName::new("upkeep"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "nothing";
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn an_entry_that_cannot_be_enqueued_keeps_no_other_from_it(pool: sqlx::MySqlPool) {
        let clock = ManualClock::at(at("2026-11-22T10:05:00Z"));
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let expression = "0 */10 * * * *";
        let entries = vec![
            ScheduleEntry::new("refused", expression, || Refused {}).unwrap(),
            ScheduleEntry::new("prune", expression, || Prune {}).unwrap(),
        ];
        let scheduler = Scheduler::new(outbox, entries);
        clock.advance(chrono::Duration::minutes(6));
        assert!(matches!(scheduler.tick_once().await, Err(StoreError::Defect(_))));
        let rows = jobs::list(&mut pool.acquire().await.unwrap(), None, None, 10).await.unwrap();
        let kinds: Vec<String> = rows.into_iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [Prune::KIND]);
    }

    /// A scheduler that is behind another one enqueues nothing twice, and goes on with the tick after that.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn ticks_that_another_scheduler_has_enqueued_are_left_out(pool: sqlx::MySqlPool) {
        let clock = ManualClock::at(at("2026-11-22T10:05:00Z"));
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let entry = ScheduleEntry::new("prune", "0 */10 * * * *", || Prune {}).unwrap();
        let [first, second] = [(); 2].map(|()| Scheduler::new(outbox.clone(), vec![entry.clone()]));
        assert_eq!((first.tick_once().await.unwrap(), second.tick_once().await.unwrap()), (0, 0));
        for (one, other) in [(&first, &second), (&second, &first)] {
            clock.advance(chrono::Duration::minutes(10));
            assert_eq!(one.tick_once().await.unwrap(), 1);
            assert_eq!(other.tick_once().await.unwrap(), 0);
            assert_eq!(one.tick_once().await.unwrap(), 0, "a tick was enqueued twice");
        }
        let rows = jobs::list(&mut pool.acquire().await.unwrap(), None, None, 10).await.unwrap();
        assert_eq!(rows.len(), 2, "a job per tick");
    }

    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn the_database_is_asked_when_a_tick_is_due(pool: sqlx::MySqlPool) {
        let clock = ManualClock::at(at("2026-11-22T10:05:00Z"));
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let entry = ScheduleEntry::new("prune", "0 */10 * * * *", || Prune {}).unwrap();
        let scheduler = Scheduler::new(outbox, vec![entry]);
        assert_eq!(scheduler.tick_once().await.unwrap(), 0);
        pool.close().await;
        clock.advance(chrono::Duration::minutes(4));
        assert_eq!(scheduler.tick_once().await.unwrap(), 0, "nothing is due");
        clock.advance(chrono::Duration::minutes(1));
        assert!(matches!(scheduler.tick_once().await, Err(StoreError::Database(_))));
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
