//! Offset between the database's clock and a monotonic clock, measured from samples with their round-trip times.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// One query of the database's time. Both local times are read from the same monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSample {
    /// Monotonic time before the query.
    pub asked: Duration,
    /// Monotonic time after the response.
    pub answered: Duration,
    /// The database's time.
    pub told: DateTime<Utc>,
}

impl TimeSample {
    fn round_trip_us(&self) -> i64 {
        micros(self.answered.saturating_sub(self.asked))
    }
}

/// The database's time minus the monotonic time, with the precision of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// The difference, in µs.
    pub offset_us: i64,
    /// Maximum error of the offset, in µs.
    pub uncertainty_us: i64,
}

impl ClockOffset {
    /// Uses the sample with the shortest round trip and takes its middle as the time of the database's reading; `None`
    /// without samples.
    pub fn measure(samples: &[TimeSample]) -> Option<Self> {
        let best = samples.iter().min_by_key(|sample| sample.round_trip_us())?;
        let uncertainty_us = (best.round_trip_us() + 1) / 2;
        let middle_us = micros(best.asked).saturating_add(best.round_trip_us() / 2);
        Some(Self { offset_us: best.told.timestamp_micros().saturating_sub(middle_us), uncertainty_us })
    }

    /// The offset within the measurement's uncertainty that is nearest to `present_us`, so that network latency alone does
    /// not change the clock.
    pub(super) fn nearest_to(self, present_us: i64) -> i64 {
        let (low, high) = (self.offset_us - self.uncertainty_us, self.offset_us + self.uncertainty_us);
        present_us.clamp(low, high)
    }
}

/// The duration in µs, saturating.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(asked_ms: u64, answered_ms: u64, told_ms: i64) -> TimeSample {
        TimeSample {
            asked: Duration::from_millis(asked_ms),
            answered: Duration::from_millis(answered_ms),
            told: DateTime::from_timestamp_millis(told_ms).unwrap(),
        }
    }

    #[test]
    fn half_the_round_trip_passed_before_the_database_looked_at_its_clock() {
        let measured = ClockOffset::measure(&[sample(1_000, 1_010, 50_005)]).unwrap();
        assert_eq!(measured, ClockOffset { offset_us: 49_000_000, uncertainty_us: 5_000 });
    }

    #[test]
    fn of_several_samples_the_one_with_the_shortest_round_trip_counts() {
        let slow = sample(1_000, 3_000, 52_900);
        let quick = sample(4_000, 4_002, 53_001);
        let slower = sample(5_000, 5_400, 54_390);
        let measured = ClockOffset::measure(&[slow, quick, slower]).unwrap();
        assert_eq!(measured, ClockOffset { offset_us: 49_000_000, uncertainty_us: 1_000 });
        assert_eq!(ClockOffset::measure(&[]), None);
    }

    #[test]
    fn what_a_measurement_cannot_tell_apart_stays_as_it_is() {
        let measured = ClockOffset { offset_us: 1_000, uncertainty_us: 300 };
        assert_eq!(measured.nearest_to(1_200), 1_200);
        assert_eq!(measured.nearest_to(5_000), 1_300);
        assert_eq!(measured.nearest_to(-5_000), 700);
    }
}
