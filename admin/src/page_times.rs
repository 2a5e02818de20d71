//! How long the panel's last pages took, for the footer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pages that are remembered.
const PAGES_KEPT: usize = 512;
/// Fewest pages of which a percentile is told.
const MIN_PAGES: usize = 20;

/// Times of the last pages of this process. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageTimes(Arc<Mutex<VecDeque<Duration>>>);

impl PageTimes {
    /// Adds the time that a page took.
    pub(crate) fn record(&self, took: Duration) {
        let mut times = self.times();
        if times.len() == PAGES_KEPT {
            times.pop_front();
        }
        times.push_back(took);
    }

    /// The time within which 95 % of the last pages were answered; `None` after too few pages.
    pub(crate) fn p95(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.times().iter().copied().collect();
        if sorted.len() < MIN_PAGES {
            return None;
        }
        sorted.sort_unstable();
        // The nearest rank: the smallest time that at least 95 % do not exceed.
        sorted.get((sorted.len() * 95).div_ceil(100) - 1).copied()
    }

    fn times(&self) -> MutexGuard<'_, VecDeque<Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_of_the_last_pages() {
        let times = PageTimes::default();
        for ms in 1..=19 {
            times.record(Duration::from_millis(ms));
        }
        assert_eq!(times.p95(), None, "too few pages");
        times.record(Duration::from_millis(20));
        assert_eq!(times.p95(), Some(Duration::from_millis(19)));
        for _ in 0..PAGES_KEPT {
            times.record(Duration::from_millis(7));
        }
        assert_eq!(times.p95(), Some(Duration::from_millis(7)), "older pages are forgotten");
    }
}
