//! The schedule: each tick becomes one job, however many schedulers run; what was missed is caught up once.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::{StoreResult, cron_ticks, repeat_contended};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::outbox::{Outbox, Unit};

type Enqueue = Arc<dyn for<'a> Fn(&'a mut Unit) -> BoxFuture<'a, StoreResult<()>> + Send + Sync>;

/// One line of the schedule.
#[derive(Clone)]
pub struct Entry {
    /// Unique; part of what makes a tick happen once.
    pub name: &'static str,
    /// Six fields (seconds first), in UTC.
    pub expression: &'static str,
    schedule: cron::Schedule,
    enqueue: Enqueue,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("expression", &self.expression)
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// Enqueues what `make` gives at every tick of `expression`.
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

    /// The last tick after `since` that is due at `now`: of many missed ones only this is caught up.
    pub fn due(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Looking back from now keeps a long absence cheap.
        let horizon = since.max(now - chrono::Duration::days(8));
        self.schedule.after(&horizon).take_while(|tick| *tick <= now).last()
    }
}

/// Turns ticks into jobs.
#[derive(Debug)]
pub struct Scheduler {
    outbox: Outbox,
    entries: Vec<Entry>,
    /// When this deployment first looked at entries that never ticked.
    since: DateTime<Utc>,
}

impl Scheduler {
    /// With `entries`; a line that never ticked before starts with the first tick after now.
    pub fn new(outbox: Outbox, entries: Vec<Entry>) -> Self {
        let since = outbox.clock().now();
        Self { outbox, entries, since }
    }

    /// Enqueues every tick that is due and that nobody enqueued; returns how many.
    pub async fn tick_once(&self) -> StoreResult<usize> {
        let now = self.outbox.clock().now();
        let mut enqueued = 0;
        for entry in &self.entries {
            let mut conn = self.outbox.pool().acquire().await?;
            let since = cron_ticks::find_latest(&mut conn, entry.name).await?.unwrap_or(self.since);
            drop(conn);
            let Some(tick_at) = entry.due(since, now) else { continue };
            enqueued += usize::from(repeat_contended(|| self.enqueue(entry, tick_at, now)).await?);
        }
        Ok(enqueued)
    }

    /// Enqueues the job of a tick; `false` if somebody has.
    async fn enqueue(&self, entry: &Entry, tick_at: DateTime<Utc>, now: DateTime<Utc>) -> StoreResult<bool> {
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
        let mut every = tokio::time::interval(Duration::from_millis(500));
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            if let Err(error) = self.tick_once().await {
                tracing::warn!(error = %error, "ticks of the schedule could not be enqueued");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::PruneJobs;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn of_many_missed_ticks_the_last_is_due() {
        let entry = Entry::new("prune", "0 */10 * * * *", || PruneJobs {}).unwrap();
        let due = |since, now| entry.due(at(since), at(now));
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T10:09:59Z"), None);
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T10:10:00Z"), Some(at("2026-11-22T10:10:00Z")));
        assert_eq!(due("2026-11-22T10:00:00Z", "2026-11-22T13:25:00Z"), Some(at("2026-11-22T13:20:00Z")));
        assert_eq!(due("2026-01-01T00:00:00Z", "2026-11-22T13:25:00Z"), Some(at("2026-11-22T13:20:00Z")));
    }
}
