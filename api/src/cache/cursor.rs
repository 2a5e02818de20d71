//! Tracks which changes of `cache_invalidations` were applied.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flysk_store::platform::cache_invalidations::Subject;

/// Numbers are assigned before the commit, so a lower number may appear after a higher one. Missing numbers are read for this
/// long.
pub(super) const LATE_COMMIT_WINDOW: Duration = Duration::from_secs(30);

/// Numbers may appear out of order, so recent numbers are stored individually.
#[derive(Debug)]
pub(super) struct ChangeCursor {
    /// All changes up to this number were applied.
    pub(super) floor: u64,
    recent: BTreeMap<u64, Instant>,
}

impl From<u64> for ChangeCursor {
    fn from(floor: u64) -> Self {
        Self { floor, recent: BTreeMap::new() }
    }
}

impl ChangeCursor {
    /// The subjects of changes that were not applied before; marks them as applied.
    pub(super) fn take_unseen(&mut self, found: Vec<(u64, Subject)>, now: Instant) -> Vec<Subject> {
        let mut unseen = Vec::new();
        for (number, subject) in found {
            if let std::collections::btree_map::Entry::Vacant(slot) = self.recent.entry(number) {
                slot.insert(now);
                unseen.push(subject);
            }
        }
        // The floor stops at the first recent number: a lower number may still appear.
        while let Some(first) = self.recent.first_entry() {
            if now.saturating_duration_since(*first.get()) < LATE_COMMIT_WINDOW {
                break;
            }
            self.floor = *first.key();
            first.remove();
        }
        unseen
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::id::AccountId;

    use super::*;

    const POLL_INTERVAL: Duration = Duration::from_millis(200);

    fn account(id: u64) -> Subject {
        Subject::Account(AccountId(id))
    }

    #[test]
    fn a_change_that_commits_late_is_seen_and_none_is_seen_twice() {
        let (mut cursor, start) = (ChangeCursor::from(0), Instant::now());
        assert_eq!(
            cursor.take_unseen(vec![(1, account(1)), (3, account(3))], start),
            [account(1), account(3)]
        );
        let late = vec![(1, account(1)), (2, account(2)), (3, account(3))];
        assert_eq!(cursor.take_unseen(late.clone(), start + POLL_INTERVAL), [account(2)]);
        assert_eq!(cursor.take_unseen(late, start + POLL_INTERVAL), []);
        assert_eq!(
            cursor.take_unseen(vec![(4, account(4))], start + LATE_COMMIT_WINDOW + POLL_INTERVAL),
            [account(4)]
        );
        assert_eq!((cursor.floor, cursor.recent.len()), (3, 1));
    }
}
