//! The end of a table whose rows have growing ids, of which some are committed late.

use std::collections::VecDeque;

/// Rows of a table that are read again, because a transaction with a smaller id may have been committed later.
const REREAD_ROWS: usize = 64;

/// The last ids of a table that were read.
#[derive(Debug)]
pub(super) struct Tail<T>(VecDeque<T>);

impl<T> Default for Tail<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq + Clone + Default> Tail<T> {
    /// Rows after this id are read.
    pub(super) fn bound(&self) -> T {
        self.0.front().cloned().unwrap_or_default()
    }

    /// The ids of rows that were read and are after the bound, in a number that does not change: a statement that leaves them out
    /// always has the same text.
    pub(super) fn known(&self) -> impl Iterator<Item = T> {
        let missing = REREAD_ROWS - self.0.len();
        self.0.iter().cloned().chain(std::iter::repeat_n(T::default(), missing))
    }

    /// Whether the row is read for the first time.
    pub(super) fn is_new(&mut self, id: &T) -> bool {
        if self.0.contains(id) {
            return false;
        }
        if self.0.len() == REREAD_ROWS {
            self.0.pop_front();
        }
        self.0.push_back(id.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_committed_late_is_read_once() {
        let mut tail = Tail::<u64>::default();
        assert_eq!(tail.bound(), 0);
        assert!(tail.is_new(&1) && tail.is_new(&3) && tail.is_new(&2) && !tail.is_new(&3));
        assert_eq!(tail.bound(), 1, "rows after the first of the last ones are read again");
        for id in 4..200 {
            assert_eq!(tail.known().count(), REREAD_ROWS);
            assert!(tail.is_new(&id));
        }
        assert!(tail.known().eq(200 - REREAD_ROWS as u64..200), "all after the bound, and the bound");
        assert_eq!(tail.bound(), 200 - REREAD_ROWS as u64);
    }
}
