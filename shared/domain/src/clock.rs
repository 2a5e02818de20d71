//! Time as an argument.

mod monotonic;
mod offset;
mod process;
mod skew;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, DurationRound, Utc};

use crate::randomness::{Randomness, SequentialRandomness, SystemRandomness};

pub use monotonic::{MonotonicClock, SystemMonotonicClock};
pub use offset::{ClockOffset, TimeSample};
pub use process::ProcessClock;
pub use skew::{SkewChange, SkewReport};

/// Source of the current time, in UTC with microsecond resolution (as in `DATETIME(6)`).
///
/// Code that needs the time takes a clock as an argument, so that tests can set it; `clippy.toml` forbids reading the
/// system clock directly.
///
/// A clock also provides [`Randomness`], because generating an id needs both.
pub trait Clock: Randomness + Send + Sync + std::fmt::Debug {
    /// The current time, truncated to microseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's wall clock. It may be wrong and may be changed at any time, so leases and due times are not checked
/// against it: processes use a [`ProcessClock`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        now.duration_trunc(Duration::microseconds(1)).unwrap_or(now)
    }
}

impl Randomness for SystemClock {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

/// A clock for tests that changes only when set. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock set to `start`.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// Moves the time forward, or back if `by` is negative.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Moves the clock of all clones to `to`, backwards too.
    pub fn set(&self, to: DateTime<Utc>) {
        self.0.store(to.timestamp_micros(), Ordering::SeqCst);
    }
}

impl Randomness for ManualClock {
    fn random_u128(&self) -> u128 {
        SequentialRandomness.random_u128()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::JobId;

    #[test]
    fn ids_of_one_moment_sort_in_the_order_in_which_they_were_made() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let ids: Vec<JobId> = (0..100).map(|_| JobId::generate(&clock)).collect();
        assert!(ids.is_sorted_by(|earlier, later| earlier < later), "{ids:?}");
    }
}
