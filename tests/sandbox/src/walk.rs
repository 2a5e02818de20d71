//! Moving the clock in few stops, for whoever moves it by months: a discrete-event simulation, from one due time to the next.
//!
//! [`Sandbox::advance`] stops at every stored due date and runs every tick of the schedule there. A walk stops where work
//! starts in production: at a job's own time, or at the tick of the schedule that picks up what is due. Only those ticks run
//! on the way. All others run once, at the end, as after an outage of the scheduler, which catches up the last of several
//! missed ticks.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;

use anyhow::ensure;
use chrono::{DateTime, Utc};

use crate::advance::Pace;
use crate::due_work::{self, Due, DueWork};
use crate::sandbox::Sandbox;
use crate::timeline::Event;

/// Ticks in a row that leave something overdue, after which the clock does not stop for it any more: it waits for a job, or
/// for somebody outside.
const MAX_FRUITLESS_TICKS: u32 = 4;
/// Due jobs from which on several run at the same time. Fewer run one after the other, always in the same order, unless a crowd of
/// accounts is installed.
const MIN_JOBS_AT_ONCE: usize = 20;
/// Installs from which on they are a crowd: jobs of one moment are those of several accounts, and nobody reads their order.
const MIN_CROWD_INSTALLS: i64 = 50;
/// The entry of the schedule that tells of new prices.
const PRICE_TICK: &str = "billing.announce_prices";

/// A way from one time to another, stop by stop.
#[derive(Debug)]
pub struct Walk<'a> {
    sandbox: &'a Sandbox,
    to: DateTime<Utc>,
    pace: Pace,
    phase: Phase,
    /// What stayed overdue after ticks: by kind, since when, and how many ticks.
    fruitless: BTreeMap<usize, (DateTime<Utc>, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Moving,
    Arrived,
}

impl Sandbox {
    /// Begins a walk to `to`. Nothing happens before its first step.
    ///
    /// # Errors
    ///
    /// `to` is in the past.
    pub fn walk(&self, to: DateTime<Utc>, pace: Pace) -> anyhow::Result<Walk<'_>> {
        ensure!(to >= self.now(), "a sandbox's clock does not go back");
        Ok(Walk { sandbox: self, to, pace, phase: Phase::Starting, fruitless: BTreeMap::new() })
    }

    /// Walks to `to`. Returns what happened since the last call, in order.
    ///
    /// # Errors
    ///
    /// `to` is in the past, the database failed, or jobs do not come to an end.
    pub async fn walk_to(&self, to: DateTime<Utc>, pace: Pace) -> anyhow::Result<Vec<Event>> {
        let mut walk = self.walk(to, pace)?;
        while walk.step().await? {}
        Ok(std::mem::take(&mut *self.events.lock().await))
    }

    /// Runs the ticks that are due and jobs at the current time, until none is due. For a clock that runs by itself.
    ///
    /// # Errors
    ///
    /// The database failed, or jobs do not come to an end.
    pub(crate) async fn catch_up(&self) -> anyhow::Result<()> {
        self.scheduler.tick_once().await?;
        self.rest(Pace::EXACT).await
    }

    /// Runs jobs at the current time until none is due: many of them, or those of a crowd, at the pace, others one by one.
    pub(crate) async fn rest(&self, pace: Pace) -> anyhow::Result<()> {
        let is_crowd = pace.jobs_at_once > 1 && self.has_crowd().await?;
        let at_once = |due| if is_crowd || due >= MIN_JOBS_AT_ONCE { pace.jobs_at_once } else { 1 };
        self.run_to_rest(pace, at_once).await
    }

    async fn has_crowd(&self) -> Result<bool, sqlx::Error> {
        if self.is_crowd.load(Ordering::SeqCst) {
            return Ok(true);
        }
        let installs: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT id FROM installs LIMIT ?) AS some")
                .bind(MIN_CROWD_INSTALLS)
                .fetch_one(&self.pool)
                .await?;
        let is_crowd = installs == MIN_CROWD_INSTALLS;
        self.is_crowd.store(is_crowd, Ordering::SeqCst);
        Ok(is_crowd)
    }

    /// What happened to jobs and at outside services since the last call.
    pub(crate) async fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().await)
    }

    /// Sets the clock, unless it has run on to a later time meanwhile.
    fn set_clock(&self, to: DateTime<Utc>) {
        if to > self.now() {
            self.clock.set(to);
        }
    }
}

impl Walk<'_> {
    /// Goes on to the next stop and runs what is due there; at the first step, what is due before the clock moves. `false`
    /// if the end was reached before.
    ///
    /// # Errors
    ///
    /// The database failed, or jobs do not come to an end.
    pub async fn step(&mut self) -> anyhow::Result<bool> {
        match self.phase {
            Phase::Starting => self.phase = Phase::Moving,
            Phase::Moving => self.move_on().await?,
            Phase::Arrived => return Ok(false),
        }
        self.sandbox.rest(self.pace).await?;
        Ok(true)
    }

    /// Sets the clock to the next stop and enqueues the ticks that have work there.
    async fn move_on(&mut self) -> anyhow::Result<()> {
        let (sandbox, now) = (self.sandbox, self.sandbox.now());
        let due = due_work::read(&mut *sandbox.pool.acquire().await?, now).await?;
        let Some(stop) = self.next_stop(&due.kinds, now).filter(|stop| *stop < self.to) else {
            sandbox.set_clock(self.to);
            sandbox.scheduler.tick_once().await?;
            self.phase = Phase::Arrived;
            return Ok(());
        };
        sandbox.set_clock(stop);
        self.run_ticks(&due, stop).await
    }

    async fn run_ticks(&mut self, due: &DueWork, stop: DateTime<Utc>) -> anyhow::Result<()> {
        let mut ran = BTreeMap::new();
        for due in &due.kinds {
            let has_come = due.overdue.is_some() || due.ahead.is_some_and(|at| at <= stop);
            let Some(name) = due.tick.filter(|_| has_come) else { continue };
            if let Entry::Vacant(vacant) = ran.entry(name) {
                vacant.insert(self.sandbox.ticks.run(name).await?);
            }
            if ran.get(name) == Some(&true) {
                self.count_tick(due);
            }
        }
        if due.has_price_campaign && ran.get("billing.subscriptions_due") == Some(&true) {
            self.sandbox.ticks.run(PRICE_TICK).await?;
        }
        Ok(())
    }

    /// Notes that a tick has run for what was overdue before it.
    fn count_tick(&mut self, due: &Due) {
        let Some(since) = due.overdue else { return };
        let before = self.fruitless.get(&due.source).filter(|(known, _)| *known == since);
        let ticks = before.map_or(0, |(_, ticks)| *ticks) + 1;
        self.fruitless.insert(due.source, (since, ticks));
    }

    fn is_fruitless(&self, due: &Due) -> bool {
        self.fruitless
            .get(&due.source)
            .is_some_and(|(since, ticks)| Some(*since) == due.overdue && *ticks >= MAX_FRUITLESS_TICKS)
    }

    /// Where the clock stops next; `None` if nothing is due any more.
    fn next_stop(&self, due: &[Due], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stored = due.iter().filter_map(|due| self.stop_for(due, now));
        let next = stored.chain(self.sandbox.clock.next_work()).min()?;
        Some(self.pace.stop(now, next))
    }

    /// Where the clock stops for one kind.
    fn stop_for(&self, due: &Due, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Some(name) = due.tick else { return due.ahead };
        let ticks = &self.sandbox.ticks;
        let ahead = due.ahead.and_then(|at| ticks.next_at(name, at));
        let waits = due.overdue.is_some() && !self.is_fruitless(due);
        let again = if waits { ticks.next_after(name, now) } else { None };
        ahead.into_iter().chain(again).min()
    }
}
