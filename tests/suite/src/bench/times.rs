//! Measured times and quantiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Scheduled and actual start, in µs since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample(pub(super) i64, pub(super) i64);

impl Sample {
    /// Lateness; never negative.
    pub(super) fn late(self) -> Duration {
        Duration::from_micros(u64::try_from(self.1 - self.0).unwrap_or_default())
    }
}

/// Durations, sorted.
#[derive(Debug, Clone)]
pub(super) struct Times {
    sorted: Vec<Duration>,
}

impl Times {
    /// `None` if empty.
    pub(super) fn new(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        (!sorted.is_empty()).then_some(Self { sorted })
    }

    /// Number of durations.
    pub(super) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Percentile by nearest rank, in ms: the smallest duration that at least `percent` % do not exceed.
    pub(super) fn ms(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        let time = self.sorted.get(rank.min(self.sorted.len()) - 1).copied().unwrap_or_default();
        time.as_secs_f64() * 1_000.0
    }
}

/// Starts per second between the first and the last start. `None` for fewer than two.
pub(super) fn rate(samples: &[Sample]) -> Option<f64> {
    let first = samples.iter().map(|sample| sample.1).min()?;
    let last = samples.iter().map(|sample| sample.1).max()?;
    let span = Duration::from_micros(u64::try_from(last - first).ok().filter(|&us| us > 0)?);
    let starts = u32::try_from(samples.len() - 1).ok()?;
    Some(f64::from(starts) / span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let times = Times::new((1..=200).rev().map(Duration::from_millis)).unwrap();
        let shown = [50, 99, 100].map(|share| format!("{:.1}", times.ms(share)));
        assert_eq!(shown, ["100.0", "198.0", "200.0"]);
        assert!(Times::new([]).is_none());
    }

    #[test]
    fn the_rate_excludes_the_first_start() {
        let samples: Vec<Sample> = (0..=100).map(|n| Sample(0, n * 10_000)).collect();
        assert_eq!(rate(&samples), Some(100.0));
        assert_eq!(rate(&samples[..1]), None);
        assert_eq!(Sample(5, 3).late(), Duration::ZERO);
    }
}
