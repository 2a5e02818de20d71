//! Monotonic time.

use std::fmt::Debug;
use std::time::Duration;

/// Time since a moment that is fixed for the lifetime of the process.
///
/// It advances while the process is stopped and while the machine sleeps, and does not change with the wall clock.
pub trait MonotonicClock: Send + Sync + Debug {
    /// Time since the fixed moment.
    fn elapsed(&self) -> Duration;
}

/// The machine's monotonic clock: time since boot, sleep included.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemMonotonicClock;

/// On Linux, `CLOCK_MONOTONIC` stops while the machine sleeps; on other systems it does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

impl MonotonicClock for SystemMonotonicClock {
    fn elapsed(&self) -> Duration {
        let time = rustix::time::clock_gettime(CLOCK);
        // Neither is negative, and nanoseconds are below 10^9.
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_goes_on_as_fast_as_the_standard_clock() {
        let around = Instant::now();
        let before = SystemMonotonicClock.elapsed();
        let within = Instant::now();
        while within.elapsed() < Duration::from_millis(20) {}
        let passed = SystemMonotonicClock.elapsed().saturating_sub(before);
        assert!(passed >= Duration::from_millis(20), "{passed:?}");
        assert!(passed <= around.elapsed(), "{passed:?}");
    }
}
