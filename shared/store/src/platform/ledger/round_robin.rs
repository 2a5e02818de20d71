//! A queue that serves its keys round-robin.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// Items by key, those of one key in their order. A key with many items does not delay the others: each key gives a few items
/// per round.
pub(super) struct RoundRobin<K, T> {
    /// Keys with items, the next one first.
    order: VecDeque<K>,
    items: HashMap<K, VecDeque<T>>,
}

impl<K, T> Default for RoundRobin<K, T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), items: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord, T> RoundRobin<K, T> {
    /// Whether no item waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds an item behind the others of its key.
    pub(super) fn push(&mut self, key: K, item: T) {
        let items = self.items.entry(key).or_default();
        if items.is_empty() {
            self.order.push_back(key);
        }
        items.push_back(item);
    }

    /// Takes at most `limit` items, at most `max_per_key` of a key before the next key's turn. A key that has more is the last one next
    /// time.
    pub(super) fn take(&mut self, limit: usize, max_per_key: usize) -> BTreeMap<K, Vec<T>> {
        let (mut taken, mut left): (BTreeMap<K, Vec<T>>, usize) = (BTreeMap::new(), limit);
        while left > 0
            && let Some(key) = self.order.pop_front()
        {
            let Some(items) = self.items.get_mut(&key) else { continue };
            let count = items.len().min(max_per_key).min(left);
            taken.entry(key).or_default().extend(items.drain(..count));
            left -= count;
            if items.is_empty() {
                self.items.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
        taken
    }

    /// Removes all items of a key, in their order.
    pub(super) fn remove(&mut self, key: &K) -> VecDeque<T> {
        self.order.retain(|other| other != key);
        self.items.remove(key).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(waiting: &[(u8, u32)]) -> RoundRobin<u8, u32> {
        let mut queue = RoundRobin::default();
        for (key, item) in waiting {
            queue.push(*key, *item);
        }
        queue
    }

    #[test]
    fn items_of_a_key_keep_their_order() {
        let mut queue = filled(&[(1, 10), (2, 20), (1, 11), (1, 12)]);
        assert_eq!(queue.take(10, 2), BTreeMap::from([(1, vec![10, 11, 12]), (2, vec![20])]));
        assert!(queue.is_empty() && queue.take(10, 2).is_empty());
    }

    #[test]
    fn a_key_with_many_items_delays_no_other() {
        let mut queue = RoundRobin::default();
        (0..1_000).for_each(|item| queue.push(0, item));
        (1..=5).for_each(|key| queue.push(key, 7));
        let first = queue.take(20, 8);
        assert_eq!(first[&0].len(), 15, "its share, and what the others left");
        assert!((1..=5).all(|key| first[&key] == [7]));
        queue.push(6, 8);
        assert_eq!(queue.take(20, 20)[&0], (15..35).collect::<Vec<_>>());
        assert_eq!(queue.take(1, 20), BTreeMap::from([(6, vec![8])]), "it was not skipped twice");
    }

    #[test]
    fn the_items_of_a_key_can_be_removed() {
        let mut queue = filled(&[(1, 10), (2, 20), (1, 11)]);
        assert_eq!(queue.remove(&1), [10, 11]);
        assert!(queue.remove(&1).is_empty());
        queue.push(1, 12);
        assert_eq!(queue.take(2, 1), BTreeMap::from([(1, vec![12]), (2, vec![20])]));
        assert!(queue.is_empty());
    }
}
