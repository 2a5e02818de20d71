//! Rate limits.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use chrono::{DateTime, Duration, Utc};

/// A limit of requests in any window, for each key.
#[derive(Debug)]
pub(crate) struct Pace<K> {
    limit: usize,
    window: Duration,
    taken: HashMap<K, VecDeque<DateTime<Utc>>>,
}

impl<K: Eq + Hash> Pace<K> {
    /// `limit` in any second.
    pub(crate) fn per_second(limit: usize) -> Self {
        Self { limit, window: Duration::seconds(1), taken: HashMap::new() }
    }

    /// Counts a request; `false` if it exceeds the limit.
    pub(crate) fn take(&mut self, key: K, now: DateTime<Utc>) -> bool {
        let taken = self.taken.entry(key).or_default();
        while taken.front().is_some_and(|at| *at + self.window <= now) {
            taken.pop_front();
        }
        if taken.len() >= self.limit {
            return false;
        }
        taken.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_window() {
        let mut pace = Pace::per_second(2);
        let at = |ms: i64| DateTime::UNIX_EPOCH + Duration::milliseconds(ms);
        assert!(pace.take(1, at(0)) && pace.take(1, at(500)) && pace.take(2, at(500)));
        assert!(!pace.take(1, at(999)));
        assert!(pace.take(1, at(1_000)) && !pace.take(1, at(1_499)));
    }
}
