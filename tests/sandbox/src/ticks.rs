//! The entries of the schedule, one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_queue::Outbox;
use flysk_queue::cron::{ScheduleEntry, Scheduler};
use flysk_workers::schedule;

/// The entries by their names.
#[derive(Debug)]
pub(crate) struct Ticks(BTreeMap<&'static str, Tick>);

#[derive(Debug)]
struct Tick {
    entry: ScheduleEntry,
    scheduler: Scheduler,
}

impl Ticks {
    /// The schedule of the product without FlySense.
    pub(crate) fn new(outbox: &Outbox) -> anyhow::Result<Self> {
        let entries = schedule::entries(false)?.into_iter();
        let tick = |entry: ScheduleEntry| Tick {
            scheduler: Scheduler::new(outbox.clone(), vec![entry.clone()]),
            entry,
        };
        Ok(Self(entries.map(|entry| (entry.name, tick(entry))).collect()))
    }

    /// The first tick of an entry at `since` or later.
    pub(crate) fn next_at(&self, name: &str, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.get(name)?.entry.next_at(since)
    }

    /// The first tick of an entry after `now`.
    pub(crate) fn next_after(&self, name: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_at(name, now + TimeDelta::microseconds(1))
    }

    /// Enqueues the tick of an entry, if one is due; whether it was.
    pub(crate) async fn run(&self, name: &str) -> anyhow::Result<bool> {
        match self.0.get(name) {
            Some(tick) => Ok(tick.scheduler.tick_once().await? > 0),
            None => Ok(false),
        }
    }
}
