//! Rate quotas.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Duration, Utc};

use crate::lock::locked;
use crate::yandex::{Code, Status};

/// Quotas of one service account (SpeechKit, "Quotas and limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Recognition requests per hour.
    pub submits_per_hour: usize,
    /// Status checks per second.
    pub checks_per_second: usize,
    /// Concurrent recognitions with summarization.
    pub simultaneous_summarizations: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { submits_per_hour: 500, checks_per_second: 5, simultaneous_summarizations: 2 }
    }
}

/// Counts calls in a sliding window.
#[derive(Debug)]
pub(super) struct Window {
    name: &'static str,
    limit: AtomicUsize,
    length: Duration,
    calls: Mutex<VecDeque<DateTime<Utc>>>,
}

impl Window {
    pub(super) fn new(name: &'static str, limit: usize, length: Duration) -> Self {
        Self { name, limit: limit.into(), length, calls: Mutex::default() }
    }

    /// Changes the limit.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Counts a call, or rejects it. Rejected calls are not counted.
    pub(super) fn count(&self, now: DateTime<Utc>) -> Result<(), Status> {
        let mut calls = locked(&self.calls);
        while calls.front().is_some_and(|call| *call + self.length <= now) {
            calls.pop_front();
        }
        if calls.len() >= self.limit.load(Ordering::Relaxed) {
            return Err(exceeded(self.name));
        }
        calls.push_back(now);
        Ok(())
    }
}

/// Error of an exceeded quota. It has no `Retry-After`.
pub(super) fn exceeded(quota: &str) -> Status {
    Status::new(Code::ResourceExhausted, format!("Rate quota limit exceeded: {quota}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_rejected_calls_do_not_count() {
        let window = Window::new("test", 2, Duration::seconds(1));
        let start = DateTime::from_timestamp(1_000, 0).unwrap();
        let passes = |ms: i64| window.count(start + Duration::milliseconds(ms)).is_ok();
        assert_eq!(
            [0, 500, 600, 999, 1_000, 1_100, 1_500].map(passes),
            [true, true, false, false, true, false, true]
        );
        window.set_limit(3);
        assert_eq!([1_500, 1_500].map(passes), [true, false]);
    }
}
