//! Time as an argument.

mod monotonic;
mod offset;
mod process;
mod skew;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, DurationRound, Utc};

pub use monotonic::{MonotonicClock, SystemMonotonicClock};
pub use offset::{ClockOffset, TimeSample};
pub use process::ProcessClock;
pub use skew::{SkewNews, SkewReport};

/// Tells the time, in UTC with microsecond resolution (what `DATETIME(6)` keeps).
///
/// Everything that needs the time takes one, so that tests set it and nothing reads the
/// system's clock behind our back (`clippy.toml` forbids it).
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment, cut to microseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's wall clock. It may be wrong and may be set at any time, so no lease and no due time is judged by it: a process
/// does that with a [`ProcessClock`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        now.duration_trunc(Duration::microseconds(1)).unwrap_or(now)
    }
}

/// A clock that stands still until somebody moves it. Clones share the same hands.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// Moves the hands forward (or back, if negative).
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the hands.
    pub fn set(&self, to: DateTime<Utc>) {
        self.0.store(to.timestamp_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
