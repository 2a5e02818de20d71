//! Time for which the jobs of a consumer have run.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sum of the run times of all jobs, those included that still run.
#[derive(Debug)]
pub(super) struct RunTime(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    /// Jobs that run since `at`.
    running: u32,
    /// Sum until `at`.
    sum: Duration,
    at: Instant,
}

impl RunTime {
    /// None runs.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Counted { running: 0, sum: Duration::ZERO, at: now }))
    }

    /// A job begins to run.
    pub(super) fn begin(&self, now: Instant) {
        let mut counted = self.counted();
        counted.count_until(now);
        counted.running += 1;
    }

    /// One of the jobs that run has ended.
    pub(super) fn end(&self, now: Instant) {
        let mut counted = self.counted();
        counted.count_until(now);
        counted.running = counted.running.saturating_sub(1);
    }

    /// The sum until now.
    pub(super) fn until(&self, now: Instant) -> Duration {
        let mut counted = self.counted();
        counted.count_until(now);
        counted.sum
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Calls of several threads may come out of order.
    fn count_until(&mut self, now: Instant) {
        self.sum += now.saturating_duration_since(self.at) * self.running;
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_run_at_once_count_each() {
        let began = Instant::now();
        let at = |second: u64| began + Duration::from_secs(second);
        let run_time = RunTime::new(began);
        assert_eq!(run_time.until(at(5)), Duration::ZERO, "none runs");
        run_time.begin(at(5));
        run_time.begin(at(7));
        assert_eq!(run_time.until(at(8)), Duration::from_secs(3 + 1));
        run_time.end(at(9));
        run_time.end(at(8)); // called before
        assert_eq!(run_time.until(at(20)), Duration::from_secs(4 + 2));
    }
}
