//! A queue that serves its keys round-robin, to several takers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// Items by key, those of one key in their order. A key with many items does not delay the others: each key gives a few items
/// per round. What waits of a key that one taker has is not given to another one.
pub(super) struct RoundRobin<K, T> {
    /// Keys with items that nobody has, the next one first.
    order: VecDeque<K>,
    items: HashMap<K, VecDeque<T>>,
    /// Keys that were taken, by the number of their group.
    taken: HashMap<K, u64>,
    groups: u64,
}

impl<K, T> Default for RoundRobin<K, T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), items: HashMap::new(), taken: HashMap::new(), groups: 0 }
    }
}

/// How much is taken at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakeLimits {
    /// Items in all.
    pub(super) items: usize,
    /// Keys.
    pub(super) keys: usize,
    /// Items of a key before the next key's turn.
    pub(super) items_per_round: usize,
}

impl<K: Copy + Eq + Hash + Ord, T> RoundRobin<K, T> {
    /// Number of keys with items that may be taken.
    pub(super) fn waiting_keys(&self) -> usize {
        self.order.len()
    }

    /// Number of keys that are taken.
    pub(super) fn taken_keys(&self) -> usize {
        self.taken.len()
    }

    /// Adds an item behind the others of its key.
    pub(super) fn push(&mut self, key: K, item: T) {
        let items = self.items.entry(key).or_default();
        if items.is_empty() && !self.taken.contains_key(&key) {
            self.order.push_back(key);
        }
        items.push_back(item);
    }

    /// Takes items, and their keys until the group is given back under its number. What is left of a key then waits behind the
    /// other keys.
    pub(super) fn take(&mut self, limits: TakeLimits) -> (u64, BTreeMap<K, Vec<T>>) {
        let mut chosen: VecDeque<K> = self.order.drain(..limits.keys.min(self.order.len())).collect();
        let (mut group, mut left): (BTreeMap<K, Vec<T>>, usize) = (BTreeMap::new(), limits.items);
        while left > 0
            && let Some(key) = chosen.pop_front()
        {
            let Some(items) = self.items.get_mut(&key) else { continue };
            let count = items.len().min(limits.items_per_round).min(left);
            group.entry(key).or_default().extend(items.drain(..count));
            left -= count;
            if items.is_empty() {
                self.items.remove(&key);
            } else {
                chosen.push_back(key);
            }
        }
        // Those whose turn did not come are the next ones.
        for key in chosen.into_iter().rev().filter(|key| !group.contains_key(key)) {
            self.order.push_front(key);
        }
        self.groups += 1;
        self.taken.extend(group.keys().map(|key| (*key, self.groups)));
        (self.groups, group)
    }

    /// Gives the keys of a group back.
    pub(super) fn give_back(&mut self, group: u64) {
        let mut keys: Vec<K> =
            self.taken.iter().filter(|(_, taker)| **taker == group).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            self.taken.remove(&key);
            if self.items.contains_key(&key) {
                self.order.push_back(key);
            }
        }
    }

    /// Removes all items of a key, in their order, and gives the key back.
    pub(super) fn remove(&mut self, key: &K) -> VecDeque<T> {
        self.taken.remove(key);
        self.order.retain(|other| other != key);
        self.items.remove(key).unwrap_or_default()
    }

    /// Removes all items.
    pub(super) fn remove_all(&mut self) -> Vec<T> {
        self.order.clear();
        self.items.drain().flat_map(|(_, items)| items).collect()
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

    const fn limits(items: usize, items_per_round: usize) -> TakeLimits {
        TakeLimits { items, keys: usize::MAX, items_per_round }
    }

    /// Takes a group and gives it back.
    fn take(queue: &mut RoundRobin<u8, u32>, limits: TakeLimits) -> BTreeMap<u8, Vec<u32>> {
        let (number, group) = queue.take(limits);
        queue.give_back(number);
        group
    }

    #[test]
    fn items_of_a_key_keep_their_order() {
        let mut queue = filled(&[(1, 10), (2, 20), (1, 11), (1, 12)]);
        assert_eq!(take(&mut queue, limits(10, 2)), BTreeMap::from([(1, vec![10, 11, 12]), (2, vec![20])]));
        assert!(queue.waiting_keys() == 0 && take(&mut queue, limits(10, 2)).is_empty());
    }

    #[test]
    fn a_key_with_many_items_delays_no_other() {
        let mut queue = RoundRobin::default();
        (0..1_000).for_each(|item| queue.push(0, item));
        (1..=5).for_each(|key| queue.push(key, 7));
        let first = take(&mut queue, limits(20, 8));
        assert_eq!(first[&0].len(), 15, "its share, and what the others left");
        assert!((1..=5).all(|key| first[&key] == [7]));
        queue.push(6, 8);
        assert_eq!(take(&mut queue, limits(20, 20))[&0], (15..35).collect::<Vec<_>>());
        assert_eq!(
            take(&mut queue, limits(1, 20)),
            BTreeMap::from([(6, vec![8])]),
            "it was not skipped twice"
        );
    }

    #[test]
    fn a_key_has_one_taker_at_a_time() {
        let mut queue = filled(&[(1, 10), (2, 20), (3, 30), (1, 11)]);
        let (first, group) = queue.take(TakeLimits { items: 2, keys: 2, items_per_round: 1 });
        assert_eq!(group, BTreeMap::from([(1, vec![10]), (2, vec![20])]));
        queue.push(2, 21);
        assert_eq!((queue.waiting_keys(), queue.taken_keys()), (1, 2));
        let (second, group) = queue.take(limits(10, 10));
        assert_eq!(group, BTreeMap::from([(3, vec![30])]), "the others are taken");
        queue.give_back(first);
        assert_eq!(queue.taken_keys(), 1);
        let (third, group) = queue.take(limits(10, 10));
        assert_eq!(group, BTreeMap::from([(1, vec![11]), (2, vec![21])]));
        queue.give_back(second);
        queue.give_back(first);
        assert_eq!(queue.taken_keys(), 2, "a group that was given back keeps nothing from the next taker");
        queue.give_back(third);
        assert_eq!((queue.waiting_keys(), queue.taken_keys()), (0, 0));
    }

    #[test]
    fn keys_whose_turn_did_not_come_are_the_next_ones() {
        let mut queue = filled(&[(1, 10), (2, 20), (3, 30), (4, 40)]);
        let (_, group) = queue.take(TakeLimits { items: 1, keys: 3, items_per_round: 1 });
        assert_eq!(group, BTreeMap::from([(1, vec![10])]));
        let (_, group) = queue.take(limits(2, 1));
        assert_eq!(group, BTreeMap::from([(2, vec![20]), (3, vec![30])]));
    }

    #[test]
    fn the_items_of_a_key_can_be_removed() {
        let mut queue = filled(&[(1, 10), (2, 20), (1, 11)]);
        assert_eq!(queue.remove(&1), [10, 11]);
        assert!(queue.remove(&1).is_empty());
        queue.push(1, 12);
        let (number, group) = queue.take(limits(2, 1));
        assert_eq!(group, BTreeMap::from([(1, vec![12]), (2, vec![20])]));
        queue.push(1, 13);
        assert_eq!(queue.remove(&1), [13]);
        queue.push(1, 14);
        assert_eq!(queue.waiting_keys(), 1, "the key was given back");
        queue.give_back(number);
        assert_eq!(queue.remove_all(), [14]);
        assert_eq!((queue.waiting_keys(), queue.taken_keys()), (0, 0));
    }
}
