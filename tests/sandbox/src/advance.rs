//! Moving the clock from due date to due date.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_queue::JobError;
use flysk_queue::executor::ExecutionResult;
use flysk_simulators::Control;
use flysk_store::Conn;

use crate::crash::{Crash, poll_at_most};
use crate::due_dates;
use crate::sandbox::Sandbox;
use crate::timeline::{CRASHED, Event, Happened, outcome};

/// Real time that a simulator's request may take before the sandbox gives up waiting for it.
const SIMULATOR_TIMEOUT: Duration = Duration::from_secs(15);
/// Interval of the schedule's most frequent ticks.
const TICK: TimeDelta = TimeDelta::seconds(30);
/// Stops in a row for something overdue that no tick picks up.
const MAX_EXTRA_STOPS: u32 = 4;
/// Jobs at one moment after which they are considered to enqueue each other without end.
pub(crate) const MAX_JOBS_PER_STOP: usize = 100_000;
/// Due jobs that are read at once.
const JOBS_PER_READ: u32 = 200;

/// How a sandbox walks from due date to due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The clock stops at multiples of this after the last stop, at the first that is not before the due date. Zero: at the
    /// due dates themselves.
    pub step: TimeDelta,
    /// Jobs that run at the same time, as in a fleet of workers.
    pub jobs_at_once: usize,
    /// Jobs that run at the same time begin together, a batch after the other, and so share reads and transactions. Otherwise
    /// each begins as soon as it is due.
    pub batches: bool,
}

impl Pace {
    /// Every due date, one job after the other.
    pub const EXACT: Self = Self { step: TimeDelta::zero(), jobs_at_once: 1, batches: false };

    /// Where the clock stops for a due date.
    pub(crate) fn stop(self, now: DateTime<Utc>, due: DateTime<Utc>) -> DateTime<Utc> {
        let (step, ahead) = (self.step.num_microseconds(), (due - now).num_microseconds());
        let (Some(step), Some(ahead)) = (step.filter(|step| *step > 0), ahead) else { return due };
        let rest = ahead.rem_euclid(step);
        if rest == 0 { due } else { due + TimeDelta::microseconds(step - rest) }
    }
}

/// Jobs run. If that ends before they come to rest, by an error or because whoever waited for it has gone, those halfway are left
/// as by a worker that crashed.
struct Unrest<'a> {
    has_crashed: &'a AtomicBool,
    is_over: bool,
}

impl Drop for Unrest<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.has_crashed.store(true, Ordering::SeqCst);
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct DueJob {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
}

impl Sandbox {
    /// Advances the clock by `by`; see [`Sandbox::advance_to`].
    pub async fn advance(&self, by: TimeDelta) -> anyhow::Result<Vec<Event>> {
        self.advance_to(self.now() + by).await
    }

    /// Advances the clock to `to`. Stops at every due date of the product and of the simulators on the way, enqueues
    /// the ticks of the schedule there once, and runs jobs until none is due. Returns what happened since the last
    /// call, in order.
    ///
    /// # Errors
    ///
    /// `to` is in the past, the database failed, or jobs do not come to an end.
    pub async fn advance_to(&self, to: DateTime<Utc>) -> anyhow::Result<Vec<Event>> {
        self.advance_at(to, Pace::EXACT).await
    }

    /// The same at a coarser pace, for crowds: with fewer stops, at which more is due at once, and with several workers.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::advance_to`].
    pub async fn advance_at(&self, to: DateTime<Utc>, pace: Pace) -> anyhow::Result<Vec<Event>> {
        ensure!(to >= self.now(), "a sandbox's clock does not go back");
        self.run_to_rest(pace, |_| pace.jobs_at_once).await?;
        let mut extra_stops = 0;
        loop {
            let stored = due_dates::next(&self.pool, self.now()).await?;
            // A due date within half a minute after a tick waits for the next tick.
            let waits =
                extra_stops < MAX_EXTRA_STOPS && due_dates::is_overdue(&self.pool, self.now()).await?;
            extra_stops = if waits { extra_stops + 1 } else { 0 };
            let tick = waits.then(|| self.now() + TICK);
            let next = stored.into_iter().chain(self.clock.next_work()).chain(tick).min();
            let next = next.map(|next| pace.stop(self.now(), next)).filter(|next| *next < to);
            self.clock.set(next.unwrap_or(to));
            self.scheduler.tick_once().await?;
            self.run_to_rest(pace, |_| pace.jobs_at_once).await?;
            if next.is_none() {
                break;
            }
        }
        Ok(std::mem::take(&mut *self.events.lock().await))
    }

    /// Runs jobs at the current time until none is due and the simulators have nothing to send. Returns what happened
    /// since the last call, in order.
    ///
    /// # Errors
    ///
    /// The database failed, or jobs do not come to an end.
    pub async fn run_due(&self) -> anyhow::Result<Vec<Event>> {
        self.run_to_rest(Pace::EXACT, |_| 1).await?;
        Ok(std::mem::take(&mut *self.events.lock().await))
    }

    /// Runs jobs until none is due and the simulators have nothing to send. `jobs_at_once` says how many of the due jobs run
    /// at the same time, instead of the pace.
    pub(crate) async fn run_to_rest(
        &self,
        pace: Pace,
        jobs_at_once: impl Fn(usize) -> usize,
    ) -> anyhow::Result<()> {
        let mut unrest = Unrest { has_crashed: &self.has_crashed, is_over: false };
        let (mut ran, mut resumed) = (0, BTreeSet::new());
        loop {
            self.wait_for_simulators().await?;
            self.rescue_after_crash().await?;
            if pace.batches && jobs_at_once(1) > 1 {
                // Those of a crowd begin in any order, so what is known to be due needs not be read first.
                let told = self.take_told(pace);
                if !told.is_empty() {
                    ran += self.run_crowd(told, Pace { jobs_at_once: jobs_at_once(1), ..pace }).await?;
                    ensure!(ran <= MAX_JOBS_PER_STOP, "jobs at {} do not come to an end", self.now());
                    continue;
                }
            }
            let mut conn = self.pool.acquire().await?;
            let due = self.due_jobs(&mut conn).await?;
            if due.is_empty() {
                let ready = self.list_ready_deliveries(&mut conn).await?;
                // Those that wait again although nothing runs have another reason, which only time ends.
                if ready.is_empty() || ready == resumed {
                    self.note_calls().await;
                    unrest.is_over = true;
                    return Ok(());
                }
                self.make_due(&mut conn, &ready).await?;
                resumed = ready;
                continue;
            }
            // The jobs need connections.
            drop(conn);
            let pace = Pace { jobs_at_once: jobs_at_once(due.len()), ..pace };
            if pace.jobs_at_once > 1 {
                ran += self.run_crowd(due, pace).await?;
            } else {
                ran += due.len();
                for job in due {
                    self.run_job(job).await?;
                }
            }
            ensure!(ran <= MAX_JOBS_PER_STOP, "jobs at {} do not come to an end", self.now());
        }
    }

    /// Reads some of the due jobs. Of what was enqueued before, nobody has to be told any more.
    pub(crate) async fn due_jobs(&self, conn: &mut Conn) -> Result<Vec<DueJob>, sqlx::Error> {
        let due = sqlx::query_as(
            "SELECT id, kind, CAST(payload AS CHAR) AS payload FROM jobs WHERE state = 'queued' AND run_at <= ?
             ORDER BY run_at, priority, id LIMIT ?",
        )
        .bind(self.now())
        .bind(JOBS_PER_READ)
        .fetch_all(conn)
        .await?;
        self.enqueued.take();
        Ok(due)
    }

    async fn run_job(&self, job: DueJob) -> anyhow::Result<()> {
        let crash = self.take_crash(&job.kind);
        let result = self.execute(job.id.parse()?, crash).await?;
        self.note_job(job, result).await
    }

    /// Notes how a job ended; `None` if its process ended meanwhile.
    pub(crate) async fn note_job(&self, job: DueJob, result: Option<ExecutionResult>) -> anyhow::Result<()> {
        let outcome = match &result {
            Some(ExecutionResult::Released) => bail!("{} {} was released", job.kind, job.id),
            Some(result) => outcome(result),
            None => CRASHED.to_owned(),
        };
        self.note_calls().await;
        let what = Happened::Job { kind: job.kind, payload: job.payload, outcome };
        self.events.lock().await.push(Event { at: self.now(), what });
        Ok(())
    }

    /// Executes a job; `None` if its process ended meanwhile, as planned.
    pub(crate) async fn execute(
        &self,
        id: JobId,
        crash: Option<Crash>,
    ) -> anyhow::Result<Option<ExecutionResult>> {
        let Some(crash) = crash else { return Ok(Some(self.executor.execute(id).await?)) };
        let result = poll_at_most(crash.after_polls, self.executor.execute(id)).await.transpose()?;
        match &result {
            None => self.has_crashed.store(true, Ordering::SeqCst),
            // It has done nothing yet, for example because a rate limit is reached: its next run crashes.
            Some(ExecutionResult::Finished(Err(JobError::Wait { .. }))) => self.plan_again(crash),
            Some(_) => {}
        }
        Ok(result)
    }

    /// Another worker takes the jobs of one that crashed, once their leases are over.
    async fn rescue_after_crash(&self) -> anyhow::Result<()> {
        if self.has_crashed.load(Ordering::SeqCst) {
            self.executor.rescue_once().await?;
            let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'running'")
                .fetch_one(&self.pool)
                .await?;
            self.has_crashed.store(left > 0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Notes the calls of outside services since the last time.
    async fn note_calls(&self) {
        let mut events = self.events.lock().await;
        let services: [(&'static str, &Control); 2] =
            [("amocrm", &self.amocrm.control), ("bank", &self.bank.control)];
        for ((service, control), seen) in services.into_iter().zip(&self.seen) {
            let calls = control.calls_since(seen.load(Ordering::SeqCst));
            if let Some(last) = calls.last() {
                seen.store(last.seq + 1, Ordering::SeqCst);
            }
            events.extend(calls.into_iter().map(|call| Event {
                at: call.at,
                what: Happened::Call { service, path: call.path, status: call.status },
            }));
        }
    }

    /// Waits until the simulators' requests to the product are answered.
    async fn wait_for_simulators(&self) -> anyhow::Result<()> {
        let idle = tokio::time::timeout(SIMULATOR_TIMEOUT, self.clock.until_idle()).await;
        idle.context("a simulator's request is not answered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_pace_stops_at_the_first_step_that_is_not_before_the_due_date() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2027-02-28T07:00:30Z");
        let minute = Pace { step: TimeDelta::minutes(1), ..Pace::EXACT };
        for (due, exact, coarse) in [
            ("2027-02-28T07:00:30.000001Z", "2027-02-28T07:00:30.000001Z", "2027-02-28T07:01:30Z"),
            ("2027-02-28T07:01:30Z", "2027-02-28T07:01:30Z", "2027-02-28T07:01:30Z"),
            ("2027-02-28T07:02:00Z", "2027-02-28T07:02:00Z", "2027-02-28T07:02:30Z"),
        ] {
            assert_eq!(Pace::EXACT.stop(now, at(due)), at(exact));
            assert_eq!(minute.stop(now, at(due)), at(coarse));
        }
    }
}
