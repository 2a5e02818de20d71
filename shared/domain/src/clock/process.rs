//! Clock of a process: monotonic time plus the offset to the database's clock.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::offset::{ClockOffset, micros};
use super::{Clock, MonotonicClock};
use crate::randomness::{Randomness, SystemRandomness};

/// While the clock is ahead of the database, it runs slower by the fraction `1 / SLEW_DIVISOR`.
const SLEW_DIVISOR: i64 = 2;

/// A clock that follows the database's clock independently of the machine's wall clock. Clones share it.
///
/// All processes check leases and due times, so they need a common time. Wall clocks of machines may be wrong or changed;
/// the database's clock is common to all. Between measurements, a monotonic clock advances the time.
///
/// The clock never goes back. If it is behind, it jumps forward at once, because a process that was paused together
/// with its machine must notice that time has passed. If it is ahead, it runs at half speed until the database has
/// caught up (slewing).
#[derive(Debug, Clone)]
pub struct ProcessClock {
    monotonic: Arc<dyn MonotonicClock>,
    hands: Arc<Mutex<Hands>>,
}

/// Offset added to monotonic time, with the slew in progress.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "each names its unit")]
struct Hands {
    /// Target offset, in µs.
    offset_us: i64,
    /// Lead of the clock over the target at `since_us`, in µs.
    ahead_us: i64,
    /// Monotonic time of the last correction, in µs.
    since_us: i64,
}

impl Hands {
    /// Offset to be added to the monotonic time `at_us`.
    fn offset_at(self, at_us: i64) -> i64 {
        let slewed_us = (at_us - self.since_us).max(0) / SLEW_DIVISOR;
        self.offset_us.saturating_add((self.ahead_us - slewed_us).max(0))
    }

    fn correct(&mut self, measured: ClockOffset, at_us: i64) {
        let shown_us = self.offset_at(at_us);
        let offset_us = measured.nearest_to(shown_us);
        *self = Self { offset_us, ahead_us: (shown_us - offset_us).max(0), since_us: at_us };
    }
}

impl ProcessClock {
    /// A clock set to the database's time, as `measured` with `monotonic`.
    pub fn new(monotonic: Arc<dyn MonotonicClock>, measured: ClockOffset) -> Self {
        let hands = Hands { offset_us: measured.offset_us, ahead_us: 0, since_us: 0 };
        Self { monotonic, hands: Arc::new(Mutex::new(hands)) }
    }

    /// Applies another measurement, made with the same monotonic clock.
    pub fn correct(&self, measured: ClockOffset) {
        let at_us = micros(self.monotonic.elapsed());
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).correct(measured, at_us);
    }
}

impl Randomness for ProcessClock {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> DateTime<Utc> {
        // Read under the lock: a concurrent correction could otherwise yield a time before the last one returned.
        let hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        let at_us = micros(self.monotonic.elapsed());
        DateTime::from_timestamp_micros(at_us.saturating_add(hands.offset_at(at_us))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct ManualMonotonic(AtomicU64);

    impl ManualMonotonic {
        fn advance_ms(&self, ms: u64) {
            self.0.fetch_add(ms * 1_000, Ordering::SeqCst);
        }
    }

    impl MonotonicClock for ManualMonotonic {
        fn elapsed(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::SeqCst))
        }
    }

    const START_US: i64 = 1_793_000_000_000_000;

    fn exactly(offset_us: i64) -> ClockOffset {
        ClockOffset { offset_us: START_US + offset_us, uncertainty_us: 0 }
    }

    fn clock() -> (Arc<ManualMonotonic>, ProcessClock) {
        let monotonic = Arc::new(ManualMonotonic::default());
        let clock = ProcessClock::new(Arc::<ManualMonotonic>::clone(&monotonic), exactly(0));
        (monotonic, clock)
    }

    fn shown_ms(clock: &ProcessClock) -> i64 {
        (clock.now() - DateTime::from_timestamp_micros(START_US).unwrap()).num_milliseconds()
    }

    #[test]
    fn between_measurements_monotonic_time_carries_it_on() {
        let (monotonic, clock) = clock();
        assert_eq!(shown_ms(&clock), 0);
        monotonic.advance_ms(61_000);
        assert_eq!(shown_ms(&clock), 61_000);
    }

    #[test]
    fn a_clock_that_is_behind_is_put_forward_at_once() {
        let (monotonic, clock) = clock();
        monotonic.advance_ms(1_000);
        clock.correct(exactly(600_000_000));
        assert_eq!(shown_ms(&clock), 601_000);
        monotonic.advance_ms(1_000);
        assert_eq!(shown_ms(&clock), 602_000);
    }

    #[test]
    fn a_clock_that_is_ahead_runs_slower_until_the_database_has_caught_up() {
        let (monotonic, clock) = clock();
        monotonic.advance_ms(10_000);
        clock.correct(exactly(-4_000_000));
        assert_eq!(shown_ms(&clock), 10_000, "the clock does not go back");
        monotonic.advance_ms(2_000);
        assert_eq!(shown_ms(&clock), 11_000, "half speed");
        // Measured again on the way: nothing changes.
        clock.correct(exactly(-4_000_000));
        monotonic.advance_ms(6_000);
        assert_eq!(shown_ms(&clock), 14_000, "correct again after twice the time it was ahead");
        monotonic.advance_ms(1_000);
        assert_eq!(shown_ms(&clock), 15_000, "normal speed");
    }

    #[test]
    fn the_time_a_question_takes_does_not_move_it() {
        let (_, clock) = clock();
        clock.correct(ClockOffset { offset_us: START_US + 900, uncertainty_us: 1_000 });
        assert_eq!(clock.now().timestamp_micros(), START_US);
        clock.correct(ClockOffset { offset_us: START_US + 1_500, uncertainty_us: 1_000 });
        assert_eq!(clock.now().timestamp_micros(), START_US + 500);
    }

    proptest! {
        /// For any measurements: time advances, at half speed or faster, and finally equals the database's.
        #[test]
        fn it_never_goes_back_and_comes_right(
            steps in prop::collection::vec((1_u64..120_000, -900_000_i64..900_000, 0_i64..5_000), 1..40),
        ) {
            let (monotonic, clock) = clock();
            let mut last = clock.now();
            for (passed_ms, offset_ms, uncertainty_ms) in steps {
                monotonic.advance_ms(passed_ms);
                let before = clock.now();
                prop_assert!(before - last >= TimeDelta::milliseconds(i64::try_from(passed_ms / 2).unwrap()));
                let offset_us = START_US + offset_ms * 1_000;
                clock.correct(ClockOffset { offset_us, uncertainty_us: uncertainty_ms * 1_000 });
                last = clock.now();
                prop_assert!(last >= before, "{last} after {before}");
            }
            clock.correct(exactly(0));
            monotonic.advance_ms(2 * 1_800_000);
            let right = START_US + micros(monotonic.elapsed());
            prop_assert_eq!(clock.now().timestamp_micros(), right);
        }
    }
}
