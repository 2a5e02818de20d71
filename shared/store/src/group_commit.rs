//! Group commit: items waiting for the same key are written in one transaction.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::{StoreError, StoreResult, answered_within};

/// Time limit of a group, with the repetitions of its transaction: without one, a silent database would hold up all later
/// items of its key.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// Writes the items of a group.
pub trait CommitGroup: Send + Sync + 'static {
    /// Key of a queue. Groups of one key are written one after another, groups of different keys independently.
    type Key: fmt::Debug + Copy + Eq + Hash + Send + Sync;
    /// An item to be written.
    type Item: fmt::Debug + Send + Sync;
    /// The result of one item.
    type Outcome: Send;

    /// Maximum number of items in a group.
    const MAX_GROUP_LEN: usize;

    /// Writes the items in one transaction, in their order, and returns as many outcomes once they are durable.
    fn commit(
        &self,
        key: Self::Key,
        items: &[Self::Item],
    ) -> impl Future<Output = StoreResult<Vec<Self::Outcome>>> + Send;

    /// Whether the first group of a queue waits until the tasks that are ready have run. They may bring further items, as those do
    /// that another group has answered together.
    const GATHERS_FIRST: bool = false;

    /// Time after a group of this length, whose items are answered by then, in which the next group of the key grows: none, unless
    /// those items can wait. It ends as soon as that group is full.
    fn pause_after(_len: usize) -> Duration {
        Duration::ZERO
    }
}

/// Collects items of callers in this process into groups. Clones share the queues.
///
/// The first caller of a key opens its queue; callers that come while a group is written belong to the next one. A result is
/// returned after the commit. A caller that is dropped does not withdraw its item.
pub struct GroupCommit<C: CommitGroup> {
    inner: Arc<Inner<C>>,
}

struct Inner<C: CommitGroup> {
    committer: C,
    /// A queue exists while a task works on it.
    queues: Mutex<HashMap<C::Key, Vec<Pending<C>>>>,
    /// Told when the next group of a key is full.
    filled: Notify,
}

struct Pending<C: CommitGroup> {
    item: C::Item,
    outcome_tx: oneshot::Sender<StoreResult<C::Outcome>>,
}

impl<C: CommitGroup> Clone for GroupCommit<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: CommitGroup> fmt::Debug for GroupCommit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommit").field("open_queues", &self.inner.queues().len()).finish_non_exhaustive()
    }
}

impl<C: CommitGroup> GroupCommit<C> {
    /// Creates queues whose groups are written by `committer`.
    pub fn new(committer: C) -> Self {
        Self { inner: Arc::new(Inner { committer, queues: Mutex::default(), filled: Notify::new() }) }
    }

    /// Writes an item, together with other items that wait for the key.
    ///
    /// # Errors
    ///
    /// The item could not be written. An item that cannot be written does not fail the others of its group; an unavailable
    /// database fails them all, and those that wait for the next group.
    pub async fn submit(&self, key: C::Key, item: C::Item) -> StoreResult<C::Outcome> {
        let (outcome_tx, outcome) = oneshot::channel();
        self.queue(key, item, outcome_tx);
        // The sender was dropped without a result: the task panicked.
        outcome.await.unwrap_or(Err(StoreError::WrongState { what: "group commit" }))
    }

    /// Queues an item before it returns; the result goes to `outcome_tx`.
    pub fn queue(&self, key: C::Key, item: C::Item, outcome_tx: oneshot::Sender<StoreResult<C::Outcome>>) {
        if self.inner.enqueue(key, Pending { item, outcome_tx }) {
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move { inner.drain(key).await });
        }
    }

    /// Whether items of the key wait or are being written.
    pub fn is_open(&self, key: &C::Key) -> bool {
        self.inner.queues().contains_key(key)
    }
}

impl<C: CommitGroup> Inner<C> {
    /// Returns whether the queue was opened.
    fn enqueue(&self, key: C::Key, pending: Pending<C>) -> bool {
        let mut queues = self.queues();
        let opened = !queues.contains_key(&key);
        let queue = queues.entry(key).or_default();
        queue.push(pending);
        if queue.len() == C::MAX_GROUP_LEN {
            self.filled.notify_waiters();
        }
        opened
    }

    /// Writes groups until the queue is empty, then closes it.
    async fn drain(&self, key: C::Key) {
        let guard = QueueGuard { inner: self, key };
        if C::GATHERS_FIRST {
            tokio::task::yield_now().await;
        }
        loop {
            if let Some(group) = self.next_group(key) {
                let pause = C::pause_after(group.len());
                self.write(key, group).await;
                if !pause.is_zero() {
                    self.let_grow(key, pause).await;
                }
                continue;
            }
            // Callers that were just answered may come back at once; their items then share a group.
            tokio::task::yield_now().await;
            if self.close_if_empty(key) {
                break;
            }
        }
        // The queue is closed; a caller that came since has opened another.
        std::mem::forget(guard);
    }

    /// Waits until the next group is full, at most for this time.
    async fn let_grow(&self, key: C::Key, limit: Duration) {
        let ends_at = Instant::now() + limit;
        loop {
            // Told of what comes from now on, also before it is polled.
            let filled = self.filled.notified();
            if self.is_full(key) || timeout_at(ends_at, filled).await.is_err() {
                return;
            }
        }
    }

    async fn write(&self, key: C::Key, group: Vec<Pending<C>>) {
        let (items, senders): (Vec<_>, Vec<_>) =
            group.into_iter().map(|pending| (pending.item, pending.outcome_tx)).unzip();
        match answered_within(COMMIT_LIMIT, self.committer.commit(key, &items)).await {
            Ok(outcomes) => {
                for (sender, outcome) in senders.into_iter().zip(outcomes) {
                    drop(sender.send(Ok(outcome)));
                }
            }
            Err(error) if items.len() > 1 && is_row_error(&error) => {
                // One item that cannot be written must not fail the others of its group.
                for (sender, item) in senders.into_iter().zip(items) {
                    let alone = self.committer.commit(key, std::slice::from_ref(&item));
                    let outcomes = answered_within(COMMIT_LIMIT, alone).await;
                    drop(sender.send(outcomes.and_then(only_outcome)));
                }
            }
            Err(error) => {
                let waiting = if is_unavailable(&error) { self.take_waiting(key) } else { Vec::new() };
                for sender in senders.into_iter().chain(waiting.into_iter().map(|one| one.outcome_tx)) {
                    drop(sender.send(Err(clone_error(&error))));
                }
            }
        }
    }

    /// All items that wait.
    fn take_waiting(&self, key: C::Key) -> Vec<Pending<C>> {
        self.queues().get_mut(&key).map(std::mem::take).unwrap_or_default()
    }

    /// Whether as many items wait as a group may have.
    fn is_full(&self, key: C::Key) -> bool {
        self.queues().get(&key).is_some_and(|queue| queue.len() >= C::MAX_GROUP_LEN)
    }

    /// The next items; `None` if none waits.
    fn next_group(&self, key: C::Key) -> Option<Vec<Pending<C>>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&key).filter(|queue| !queue.is_empty())?;
        let rest = queue.split_off(queue.len().min(C::MAX_GROUP_LEN));
        Some(std::mem::replace(queue, rest))
    }

    /// Closes the queue unless an item waits; `false` if one does.
    fn close_if_empty(&self, key: C::Key) -> bool {
        let mut queues = self.queues();
        if queues.get(&key).is_some_and(|queue| !queue.is_empty()) {
            return false;
        }
        queues.remove(&key);
        true
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<C::Key, Vec<Pending<C>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue that a task works on. A panic drops it with the queue, so that its callers get an error and the next caller opens
/// another queue.
struct QueueGuard<'a, C: CommitGroup> {
    inner: &'a Inner<C>,
    key: C::Key,
}

impl<C: CommitGroup> Drop for QueueGuard<'_, C> {
    fn drop(&mut self) {
        self.inner.queues().remove(&self.key);
    }
}

/// Whether the database refused an item. If the database is unavailable or a row is locked for too long, writing the items
/// one by one would fail as well, after one wait per item.
pub(crate) fn is_row_error(error: &StoreError) -> bool {
    match error {
        StoreError::Duplicate { .. }
        | StoreError::WrongState { .. }
        | StoreError::InvalidRow { .. }
        | StoreError::Defect(_) => true,
        StoreError::Database(error) => error.as_database_error().is_some(),
        StoreError::Conflict(_) => false,
    }
}

/// Whether a group waited for the database as long as it may. What waits behind it gets the same error: one wait after another
/// would keep the last callers for minutes, and their items in memory, while the database is down.
pub(crate) fn is_unavailable(error: &StoreError) -> bool {
    match error {
        StoreError::Database(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
        StoreError::Database(sqlx::Error::Io(cause)) => cause.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    }
}

/// The same error for another caller, without the number that the server gave it.
pub fn clone_error(error: &StoreError) -> StoreError {
    let copy = |error: &sqlx::Error| match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::PoolTimedOut,
        sqlx::Error::PoolClosed => sqlx::Error::PoolClosed,
        other => sqlx::Error::Io(std::io::Error::other(other.to_string())),
    };
    match error {
        StoreError::Conflict(error) => StoreError::Conflict(copy(error)),
        StoreError::Database(error) => StoreError::Database(copy(error)),
        StoreError::Defect(error) => StoreError::Defect(copy(error)),
        StoreError::Duplicate { key } => StoreError::Duplicate { key: key.clone() },
        StoreError::WrongState { what } => StoreError::WrongState { what },
        StoreError::InvalidRow { what, reason } => StoreError::InvalidRow { what, reason: reason.clone() },
    }
}

fn only_outcome<T>(outcomes: Vec<T>) -> StoreResult<T> {
    outcomes.into_iter().next().ok_or(StoreError::WrongState { what: "group" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its groups follow each other after a long time.
    struct Patient;

    impl CommitGroup for Patient {
        type Key = ();
        type Item = u32;
        type Outcome = u32;

        const MAX_GROUP_LEN: usize = 4;

        async fn commit(&self, (): (), items: &[u32]) -> StoreResult<Vec<u32>> {
            Ok(items.to_vec())
        }

        fn pause_after(_len: usize) -> Duration {
            Duration::from_hours(1)
        }
    }

    #[tokio::test]
    async fn a_group_is_answered_before_the_pause_behind_it() {
        let groups = GroupCommit::new(Patient);
        let answered = tokio::time::timeout(Duration::from_mins(1), groups.submit((), 7)).await;
        assert_eq!(answered.expect("it waits for the pause").unwrap(), 7);
        assert!(groups.is_open(&()), "the next items share a group after the pause");
    }

    #[tokio::test]
    async fn a_pause_ends_as_soon_as_the_next_group_is_full() {
        let groups = GroupCommit::new(Patient);
        groups.submit((), 0).await.unwrap();
        let full = async {
            tokio::join!(
                groups.submit((), 1),
                groups.submit((), 2),
                groups.submit((), 3),
                groups.submit((), 4)
            )
        };
        let answered = tokio::time::timeout(Duration::from_mins(1), full).await;
        let (first, .., last) = answered.expect("they wait for the pause");
        assert_eq!((first.unwrap(), last.unwrap()), (1, 4));
        let alone = tokio::time::timeout(Duration::from_millis(50), groups.submit((), 5)).await;
        assert!(alone.is_err(), "a group that is not full waits for the end of the pause");
    }

    /// Answers with the number of items of the group.
    struct Counting;

    impl CommitGroup for Counting {
        type Key = ();
        type Item = ();
        type Outcome = usize;

        const MAX_GROUP_LEN: usize = 8;
        const GATHERS_FIRST: bool = true;

        async fn commit(&self, (): (), items: &[()]) -> StoreResult<Vec<usize>> {
            Ok(vec![items.len(); items.len()])
        }
    }

    #[tokio::test]
    async fn items_of_tasks_that_are_ready_together_share_the_first_group() {
        let groups = GroupCommit::new(Counting);
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let groups = groups.clone();
                tokio::spawn(async move { groups.submit((), ()).await.unwrap() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 5);
        }
    }
}
