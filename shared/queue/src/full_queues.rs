//! Queues that lately had no capacity for the new jobs of this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time for which a queue counts as full after it refused wake-ups of new jobs. Such a queue has at least half of what its workers
/// take in 250 ms, so it does not run empty meanwhile.
const FULL_TIME: Duration = Duration::from_millis(100);

/// When each queue refused wake-ups. New jobs of a full queue are left to the relay at once, because their wake-ups would be
/// refused too.
#[derive(Debug, Default)]
pub(crate) struct FullQueues(Mutex<BTreeMap<String, Instant>>);

impl FullQueues {
    /// Whether `queue` counts as full at `now`.
    pub(crate) fn contains(&self, queue: &str, now: Instant) -> bool {
        self.locked().get(queue).is_some_and(|at| now.saturating_duration_since(*at) < FULL_TIME)
    }

    /// Notes a push to `queue` at `now`, of which wake-ups were refused or all found a place.
    pub(crate) fn note(&self, queue: &str, was_refused: bool, now: Instant) {
        let mut refused_at = self.locked();
        if was_refused {
            refused_at.insert(queue.to_owned(), now);
        } else {
            refused_at.remove(queue);
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_counts_as_full_for_a_short_time_or_until_a_push_finds_places() {
        let (full, began) = (FullQueues::default(), Instant::now());
        assert!(!full.contains("calls", began));
        full.note("calls", true, began);
        assert!(full.contains("calls", began) && !full.contains("audio", began));
        assert!(!full.contains("calls", began + FULL_TIME));
        full.note("calls", false, began);
        assert!(!full.contains("calls", began));
    }
}
