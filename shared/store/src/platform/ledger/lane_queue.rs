//! Commands that wait for a lane: when another lane is opened, and how much each takes.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

use super::round_robin::{RoundRobin, TakeLimits};

/// Items of a group.
const MAX_GROUP_LEN: usize = 128;
/// Items of a key that are taken before the next key is served.
const MAX_ITEMS_PER_ROUND: usize = 16;
/// Keys for which another lane is opened, and fewest keys that lanes share. A group has about as many statements for one key as for
/// thirty, so many small groups take more time than a few large ones.
const MIN_SHARE: usize = 16;

/// Items of all lanes. A lane is a task that takes one group after another until none waits.
pub(super) struct LaneQueue<K, T> {
    /// Maximum number of lanes, at least one.
    lanes: usize,
    /// Lanes with a task.
    open: usize,
    /// Open lanes with a group; the others are about to take one.
    busy: usize,
    waiting: RoundRobin<K, T>,
}

/// A group for a lane.
pub(super) struct Turn<K, T> {
    /// Under which the group is given back.
    pub(super) number: u64,
    /// Items by key.
    pub(super) group: BTreeMap<K, Vec<T>>,
    /// Whether the caller has to start another lane for what is left.
    pub(super) opens_lane: bool,
}

impl<K: Copy + Eq + Hash + Ord, T> LaneQueue<K, T> {
    pub(super) fn new(lanes: usize) -> Self {
        Self { lanes: lanes.max(1), open: 0, busy: 0, waiting: RoundRobin::default() }
    }

    /// Adds an item; whether the caller has to start a lane.
    pub(super) fn push(&mut self, key: K, item: T) -> bool {
        self.waiting.push(key, item);
        self.opens_lane()
    }

    /// An item waits for a lane that is about to take a group, or for the end of a group if only few keys wait: they are the next
    /// group of the lane that is free first.
    fn opens_lane(&mut self) -> bool {
        let least = if self.open == 0 { 1 } else { MIN_SHARE };
        let opens = self.open == self.busy && self.open < self.lanes && self.waiting.waiting_keys() >= least;
        self.open += usize::from(opens);
        opens
    }

    /// The next group of an open lane; `None` closes the lane.
    ///
    /// Lanes share the keys that wait and those that are taken evenly, so that a lane does not take what the next one could take
    /// a moment later, when its group has ended.
    pub(super) fn take(&mut self) -> Option<Turn<K, T>> {
        if self.waiting.waiting_keys() == 0 {
            self.open = self.open.saturating_sub(1);
            return None;
        }
        let keys = self.waiting.waiting_keys() + self.waiting.taken_keys();
        let share = keys.div_ceil((keys / MIN_SHARE).clamp(1, self.lanes));
        let limits = TakeLimits { items: MAX_GROUP_LEN, keys: share, items_per_round: MAX_ITEMS_PER_ROUND };
        let (number, group) = self.waiting.take(limits);
        self.busy += 1;
        Some(Turn { number, group, opens_lane: self.opens_lane() })
    }

    /// Gives the keys of a group back. Its lane takes the next group.
    pub(super) fn give_back(&mut self, number: u64) {
        self.busy = self.busy.saturating_sub(1);
        self.waiting.give_back(number);
    }

    /// Closes a lane whose task has panicked, with its group. If it was the last one, nobody would take what waits: it is returned.
    pub(super) fn abandon(&mut self, group: Option<u64>) -> Vec<T> {
        if let Some(number) = group {
            self.give_back(number);
        }
        self.open = self.open.saturating_sub(1);
        if self.open == 0 { self.waiting.remove_all() } else { Vec::new() }
    }

    /// Removes the items of a key, which is given back.
    pub(super) fn remove(&mut self, key: &K) -> VecDeque<T> {
        self.waiting.remove(key)
    }

    /// Removes all items that wait.
    pub(super) fn remove_all(&mut self) -> Vec<T> {
        self.waiting.remove_all()
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    /// Pushes an item for each key; the number of lanes that were opened.
    fn push(queue: &mut LaneQueue<usize, usize>, keys: impl IntoIterator<Item = usize>) -> usize {
        keys.into_iter().map(|key| usize::from(queue.push(key, 0))).sum()
    }

    fn keys_of(turn: Option<Turn<usize, usize>>) -> (u64, usize, bool) {
        let turn = turn.unwrap();
        (turn.number, turn.group.len(), turn.opens_lane)
    }

    #[test]
    fn a_command_alone_is_taken_at_once() {
        let mut queue = LaneQueue::new(4);
        assert_eq!(push(&mut queue, [7]), 1);
        let (number, keys, opens_lane) = keys_of(queue.take());
        assert_eq!((keys, opens_lane), (1, false));
        queue.give_back(number);
        assert!(queue.take().is_none());
        assert_eq!(push(&mut queue, [7]), 1, "the lane was closed");
    }

    #[test]
    fn few_keys_wait_for_the_group_that_runs_and_many_open_another_lane() {
        let mut queue = LaneQueue::new(2);
        assert_eq!(push(&mut queue, [100]), 1);
        let (first, ..) = keys_of(queue.take());
        assert_eq!(push(&mut queue, 0..MIN_SHARE - 1), 0);
        assert_eq!(push(&mut queue, [100, 100]), 0, "the key that is taken opens no lane");
        assert_eq!(push(&mut queue, [50]), 1);
        assert_eq!(
            push(&mut queue, 200..300),
            0,
            "that lane is about to take them, and there is no third one"
        );
        queue.give_back(first);
        assert_eq!(push(&mut queue, 300..400), 0);
    }

    #[test]
    fn lanes_share_what_waits() {
        let mut queue = LaneQueue::new(2);
        assert_eq!(push(&mut queue, 0..64), 1);
        let (first, keys, opens_lane) = keys_of(queue.take());
        assert_eq!((keys, opens_lane), (32, true));
        let (second, keys, opens_lane) = keys_of(queue.take());
        assert_eq!((keys, opens_lane), (32, false));
        // The callers of the first group come back, with some others: the lane leaves the other one its share.
        queue.give_back(first);
        assert_eq!(push(&mut queue, 100..148), 0);
        let (first, keys, opens_lane) = keys_of(queue.take());
        assert_eq!((keys, opens_lane), (40, false));
        queue.give_back(second);
        assert_eq!(keys_of(queue.take()).1, 8);
        queue.give_back(first);
        assert!(queue.take().is_none());
    }

    #[test]
    fn few_keys_with_many_items_are_one_group() {
        let mut queue = LaneQueue::new(4);
        assert_eq!(push(&mut queue, iter::repeat_n(1, 200)), 1);
        let turn = queue.take().unwrap();
        assert_eq!(turn.group[&1].len(), MAX_GROUP_LEN);
        assert!(!turn.opens_lane);
        queue.give_back(turn.number);
        assert_eq!(queue.take().unwrap().group[&1].len(), 200 - MAX_GROUP_LEN);
    }

    #[test]
    fn every_item_is_taken_by_some_lane() {
        for lanes in 1..=4 {
            for count in [1, 15, 16, 31, 33, 64, 129, 1_000] {
                let mut queue = LaneQueue::new(lanes);
                let mut open = push(&mut queue, 0..count);
                let (mut taken, mut running) = (0, VecDeque::new());
                while open > 0 {
                    if let Some(turn) = queue.take() {
                        taken += turn.group.len();
                        open += usize::from(turn.opens_lane);
                        assert!(open <= lanes);
                        running.push_back(turn.number);
                    } else {
                        open -= 1;
                    }
                    if running.len() == open
                        && let Some(number) = running.pop_front()
                    {
                        queue.give_back(number);
                    }
                }
                assert_eq!(taken, count, "{lanes} lanes");
            }
        }
    }

    #[test]
    fn a_lost_lane_leaves_its_commands_to_the_others() {
        let mut queue = LaneQueue::new(2);
        push(&mut queue, 0..64);
        let (first, ..) = keys_of(queue.take());
        let (second, ..) = keys_of(queue.take());
        push(&mut queue, 0..10);
        assert!(queue.abandon(Some(first)).is_empty());
        assert_eq!(push(&mut queue, 100..104), 0, "few keys wait for the lane that is left");
        queue.give_back(second);
        assert_eq!(keys_of(queue.take()).1, 14);
        push(&mut queue, 200..205);
        assert_eq!(queue.abandon(Some(3)).len(), 5, "nobody is left to take them");
        assert_eq!(push(&mut queue, [1]), 1);
    }
}
