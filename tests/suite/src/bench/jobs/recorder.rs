//! State of a measured worker process: records job starts and reports them when it stops.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::queues;
use flysk_queue::{EphemeralHandler, NextRun};
use flysk_queue::{EphemeralJob, Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, Policy};
use serde::{Deserialize, Serialize};

use crate::bench::times::Sample;

/// Capacity for samples, allocated before the measurement so that it does not count as the runtime's memory.
const MAX_SAMPLES: usize = 100_000;

/// Polling interval of a recognition in flight.
pub(in crate::bench) const POLL_INTERVAL: Duration = Duration::seconds(10);

/// Recorded starts.
#[derive(Debug)]
pub(in crate::bench) struct StartRecorder {
    count: AtomicU64,
    samples: Mutex<Vec<Sample>>,
    /// Time of the next poll of each recognition, in µs since 1970.
    due_us: Vec<AtomicI64>,
}

impl StartRecorder {
    /// Recorder for recognitions with these first polls.
    pub(in crate::bench) fn new(due: &[DateTime<Utc>]) -> Self {
        // Written once, so that the memory pages are resident.
        let mut samples = vec![Sample(1, 1); MAX_SAMPLES];
        samples.clear();
        Self {
            count: AtomicU64::new(0),
            samples: Mutex::new(samples),
            due_us: due.iter().map(|at| AtomicI64::new(at.timestamp_micros())).collect(),
        }
    }

    /// Records the start at `now` of a job scheduled at `scheduled_us`.
    pub(in crate::bench) fn note(&self, scheduled_us: i64, now: DateTime<Utc>) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(Sample(scheduled_us, now.timestamp_micros()));
        drop(samples);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of recorded starts.
    pub(in crate::bench) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// All recorded starts.
    pub(in crate::bench) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A durable job that does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bench) struct NoOp {
    /// Time when enqueuing began, in µs since 1970.
    pub(super) enqueued_us: i64,
}

impl Job for NoOp {
    const KIND: &'static str = "bench.start_job";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP);
    const TRIGGER: &'static str = "a bench";
    const DESCRIPTION: &'static str = "records its start";
}

impl JobHandler<StartRecorder> for NoOp {
    async fn handle(&self, run: &JobContext, recorder: &StartRecorder) -> JobResult {
        recorder.note(self.enqueued_us, run.now());
        Ok(JobOutcome::Done)
    }
}

/// An ephemeral job that does nothing and never runs again.
#[derive(Debug)]
pub(in crate::bench) struct NoOpEphemeral;

impl EphemeralJob for NoOpEphemeral {
    const KIND: &'static str = "bench.start_ephemeral";
    const TRIGGER: &'static str = "a bench";
    const DESCRIPTION: &'static str = "records its start";
}

impl EphemeralHandler<StartRecorder> for NoOpEphemeral {
    async fn handle(_: &str, recorder: &StartRecorder) -> Result<NextRun, JobError> {
        let now = SystemClock.now();
        recorder.note(now.timestamp_micros(), now);
        Ok(NextRun::Stop)
    }
}

/// Poll of a recognition that never completes: the cost of the queue without the request to SpeechKit.
#[derive(Debug)]
pub(in crate::bench) struct Poll;

impl Poll {
    /// Key of a recognition, as long as a real one.
    pub(in crate::bench) fn key(recognition: usize) -> String {
        format!("31234567:tr_{recognition:026}:1")
    }

    fn recognition(key: &str) -> Option<usize> {
        key.split(':').nth(1)?.strip_prefix("tr_")?.parse().ok()
    }
}

impl EphemeralJob for Poll {
    const KIND: &'static str = "bench.poll_recognition";
    const TRIGGER: &'static str = "a bench";
    const DESCRIPTION: &'static str = "records its lateness and repeats";
}

impl EphemeralHandler<StartRecorder> for Poll {
    async fn handle(key: &str, recorder: &StartRecorder) -> Result<NextRun, JobError> {
        let due = Self::recognition(key).and_then(|at| recorder.due_us.get(at));
        let due = due.ok_or_else(|| JobError::give_up("no such recognition"))?;
        let now = SystemClock.now();
        let next = now + POLL_INTERVAL;
        // Redis stores the time of an ephemeral job in milliseconds.
        let scheduled_us = due.swap(next.timestamp_millis() * 1_000, Ordering::Relaxed);
        recorder.note(scheduled_us, now);
        Ok(NextRun::At(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_maps_back_to_its_recognition() {
        assert_eq!(Poll::recognition(&Poll::key(9_999)), Some(9_999));
        assert_eq!(Poll::recognition("31234567:x:1"), None);
    }
}
