//! What a measured worker process works in: it notes starts, and tells them when it stops.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::runtime::ticks::{HandleTick, Next};
use flysk_jobs::{Handle, Job, JobError, JobResult, Policy, Queue, Run, Tick, Verdict};
use serde::{Deserialize, Serialize};

use crate::bench::times::Sample;

/// Room for samples, taken before anything is measured so that it does not count as the runtime's memory.
const ROOM: usize = 100_000;

/// How often a recognition in flight is looked at.
pub(in crate::bench) const POLL_EVERY: Duration = Duration::seconds(10);

/// Starts that were seen.
#[derive(Debug)]
pub(super) struct Tally {
    count: AtomicU64,
    samples: Mutex<Vec<Sample>>,
    /// When each recognition is to be looked at next, in µs since 1970.
    due_us: Vec<AtomicI64>,
}

impl Tally {
    /// For these recognitions.
    pub(super) fn new(due: &[DateTime<Utc>]) -> Self {
        // Written once, so that the pages are there.
        let mut samples = vec![Sample(1, 1); ROOM];
        samples.clear();
        Self {
            count: AtomicU64::new(0),
            samples: Mutex::new(samples),
            due_us: due.iter().map(|at| AtomicI64::new(at.timestamp_micros())).collect(),
        }
    }

    /// Something that was to start at `scheduled_us` starts at `now`.
    fn note(&self, scheduled_us: i64, now: DateTime<Utc>) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(Sample(scheduled_us, now.timestamp_micros()));
        drop(samples);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many starts there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// All starts.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A durable job that does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NoOp {
    /// When its enqueuing began, in µs since 1970.
    pub(super) enqueued_us: i64,
}

impl Job for NoOp {
    const KIND: &'static str = "bench.start_job";
    const POLICY: Policy = Policy::on(Queue::Upkeep);
    const TRIGGER: &'static str = "a bench";
    const ABOUT: &'static str = "notes its start";
}

impl Handle<Tally> for NoOp {
    async fn handle(&self, run: &Run, tally: &Tally) -> JobResult {
        tally.note(self.enqueued_us, run.now());
        Ok(Verdict::Done)
    }
}

/// A tick that does nothing and never comes again.
#[derive(Debug)]
pub(super) struct NoOpTick;

impl Tick for NoOpTick {
    const KIND: &'static str = "bench.start_tick";
    const TRIGGER: &'static str = "a bench";
    const ABOUT: &'static str = "notes its start";
}

impl HandleTick<Tally> for NoOpTick {
    async fn tick(_: &str, tally: &Tally) -> Result<Next, JobError> {
        let now = SystemClock.now();
        tally.note(now.timestamp_micros(), now);
        Ok(Next::Stop)
    }
}

/// A look at a recognition that is never done: the lane's own work without the request to recognition.
#[derive(Debug)]
pub(in crate::bench) struct Poll;

impl Poll {
    /// The key of a recognition, as long as that of a real one.
    pub(in crate::bench) fn key(recognition: usize) -> String {
        format!("31234567:tr_{recognition:026}:1")
    }

    fn recognition(key: &str) -> Option<usize> {
        key.split(':').nth(1)?.strip_prefix("tr_")?.parse().ok()
    }
}

impl Tick for Poll {
    const KIND: &'static str = "bench.poll_recognition";
    const TRIGGER: &'static str = "a bench";
    const ABOUT: &'static str = "notes how late it is, comes again";
}

impl HandleTick<Tally> for Poll {
    async fn tick(key: &str, tally: &Tally) -> Result<Next, JobError> {
        let due = Self::recognition(key).and_then(|at| tally.due_us.get(at));
        let due = due.ok_or_else(|| JobError::give_up("no such recognition"))?;
        let now = SystemClock.now();
        let next = now + POLL_EVERY;
        // A tick's time is kept in milliseconds.
        let scheduled_us = due.swap(next.timestamp_millis() * 1_000, Ordering::Relaxed);
        tally.note(scheduled_us, now);
        Ok(Next::At(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_back_to_their_recognition() {
        assert_eq!(Poll::recognition(&Poll::key(9_999)), Some(9_999));
        assert_eq!(Poll::recognition("31234567:x:1"), None);
    }
}
