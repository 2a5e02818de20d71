//! Group commit of ledger commands across wallets: lanes whose transactions carry the commands of many wallets.
//!
//! A lane has one transaction at a time, and no two lanes have commands of one wallet. What arrives meanwhile goes into a later
//! one, so the commands of a wallet keep their order. A transaction takes the wallets that no other transaction has locked and waits
//! for none. The others leave the lanes: a queue of their own waits for their locks, and while it is open, their commands go there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flysk_domain::Clock;
use flysk_domain::id::WalletId;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, MySql};
use tokio::sync::oneshot;

use super::apply::{KeyCheck, Outcomes, WalletCommands, apply_to_unlocked};
use super::command::{CommandOutcome, LedgerCommand};
use super::lane_queue::LaneQueue;
use super::wallet_commits::WalletCommits;
use crate::group_commit::{GroupCommit, clone_error, is_row_error, is_unavailable};
use crate::{Pool, STATEMENT_CACHE_CAPACITY, StoreError, StoreResult, answered, repeat_while};

/// More lanes make smaller groups, fewer leave a core idle.
const MIN_LANES: usize = 2;
const MAX_LANES: usize = 4;
/// Prepared statements cached per connection of a lane. It executes statements of the ledger only: 4 inserts in 48 lengths each,
/// 6 inserts and updates in 15, lists of keys in up to 32, lists of ids and rare statements, fewer than 400 in all.
const LANE_STATEMENTS: usize = 2 * STATEMENT_CACHE_CAPACITY;
/// Times that a group that lost a race is executed, besides a try that took a used key for new. Then its wallets leave the lane, so
/// that one does not hold up the others.
const MAX_GROUP_TRIES: u32 = 2;
/// Groups that look for their keys first, after one that found a key used when it stored it: repeated requests come together, and
/// each costs its group the work of a transaction.
const CHECKED_GROUPS: u32 = 64;

/// Executes commands of callers in this process. Clones share the lanes.
///
/// Dropping a caller does not withdraw its command; the caller repeats it under the same idempotency key.
#[derive(Debug, Clone)]
pub struct WalletBatcher {
    lanes: Arc<WalletLanes>,
}

impl WalletBatcher {
    /// A batcher with connections like those of `pool`: one per lane, whose cache keeps the statements of groups, and
    /// at most half of the connections of `pool` for wallets that leave the lanes. To be called in a Tokio runtime.
    pub fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        let cores = std::thread::available_parallelism().map_or(MIN_LANES, usize::from);
        Self::with_lanes(pool, clock, cores.clamp(MIN_LANES, MAX_LANES))
    }

    /// [`WalletBatcher::new`] with another number of lanes than the one that suits the machine, at least one.
    pub fn with_lanes(pool: Pool, clock: Arc<dyn Clock>, lanes: usize) -> Self {
        let connections = u32::try_from(lanes.max(1)).unwrap_or(u32::MAX);
        let options = pool.options().clone().min_connections(0).max_connections(connections);
        let own = options.connect_lazy_with(lane_options(&pool));
        let apart = GroupCommit::new(WalletCommits::new(pool.clone(), Arc::clone(&clock)));
        let lanes = WalletLanes {
            pool: own,
            followed: pool,
            clock,
            queue: Mutex::new(LaneQueue::new(lanes)),
            checked_groups: AtomicU32::new(0),
            apart,
        };
        Self { lanes: Arc::new(lanes) }
    }

    /// Executes a command, together with other commands that wait.
    pub async fn submit(&self, wallet: WalletId, command: LedgerCommand) -> StoreResult<CommandOutcome> {
        let (outcome_tx, outcome) = oneshot::channel();
        self.lanes.enqueue(wallet, Pending { command, outcome_tx });
        // The sender was dropped without a result: the task panicked.
        outcome.await.unwrap_or(Err(StoreError::WrongState { what: "group commit" }))
    }
}

struct WalletLanes {
    pool: Pool,
    /// The pool that moves to another node of a cluster when its node takes no writes.
    followed: Pool,
    clock: Arc<dyn Clock>,
    queue: Mutex<LaneQueue<WalletId, Pending>>,
    /// Groups that are still to look for their keys first.
    checked_groups: AtomicU32,
    /// Wallets that have left the lanes.
    apart: GroupCommit<WalletCommits>,
}

/// A command that waits.
struct Pending {
    command: LedgerCommand,
    outcome_tx: oneshot::Sender<StoreResult<CommandOutcome>>,
}

impl Pending {
    fn answer(self, outcome: StoreResult<CommandOutcome>) {
        // The caller may be gone.
        drop(self.outcome_tx.send(outcome));
    }
}

/// Commands of one transaction, by wallet, in the order in which the wallets are locked.
type Group = BTreeMap<WalletId, Vec<Pending>>;

/// The connection of an open lane between two groups.
type LaneConnection = Mutex<Option<PoolConnection<MySql>>>;

impl fmt::Debug for WalletLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalletLanes").field("apart", &self.apart).finish_non_exhaustive()
    }
}

impl WalletLanes {
    fn enqueue(self: &Arc<Self>, wallet: WalletId, pending: Pending) {
        let opens_lane = {
            let mut queue = lock(&self.queue);
            if self.apart.is_open(&wallet) {
                // Earlier commands of the wallet wait there.
                return self.apart.queue(wallet, pending.command, pending.outcome_tx);
            }
            queue.push(wallet, pending)
        };
        if opens_lane {
            self.open_lane();
        }
    }

    fn open_lane(self: &Arc<Self>) {
        let lanes = Arc::clone(self);
        tokio::spawn(async move { lanes.drain().await });
    }

    /// Executes groups until no command waits.
    async fn drain(self: &Arc<Self>) {
        let mut guard = LaneGuard { lanes: self, group: None };
        let connection = LaneConnection::default();
        while let Some(group) = self.next_group(&mut guard) {
            self.execute(&connection, group).await;
            guard.give_back();
            // Callers that were just answered may come back at once; their commands then share the next group.
            tokio::task::yield_now().await;
        }
        // The lane is closed; a caller that came since has opened another one.
        std::mem::forget(guard);
    }

    /// The next commands of a lane; if none wait, the lane is closed.
    fn next_group(self: &Arc<Self>, guard: &mut LaneGuard<'_>) -> Option<Group> {
        let turn = lock(&self.queue).take()?;
        guard.group = Some(turn.number);
        if turn.opens_lane {
            self.open_lane();
        }
        Some(turn.group)
    }

    async fn execute(&self, connection: &LaneConnection, group: Group) {
        let executed = {
            let commands: Vec<WalletCommands<'_>> = group.iter().map(commands_of).collect();
            self.commit(connection, &commands).await
        };
        match executed {
            Ok(mut outcomes) => {
                for (wallet, waiting) in group {
                    match outcomes.remove(&wallet) {
                        Some(Ok(outcomes)) => {
                            waiting
                                .into_iter()
                                .zip(outcomes)
                                .for_each(|(one, outcome)| one.answer(Ok(outcome)));
                        }
                        Some(Err(error)) => {
                            for one in waiting {
                                one.answer(Err(clone_error(&error)));
                            }
                        }
                        None => self.set_apart(wallet, waiting),
                    }
                }
            }
            // A wallet that cannot be written, or is contended, must not fail or delay the others.
            Err(error) if is_row_error(&error) || matches!(error, StoreError::Conflict(_)) => {
                for (wallet, waiting) in group {
                    self.set_apart(wallet, waiting);
                }
            }
            Err(error) => {
                let later = if is_unavailable(&error) { lock(&self.queue).remove_all() } else { Vec::new() };
                let waiting = group.into_values().flatten().chain(later);
                waiting.for_each(|one| one.answer(Err(clone_error(&error))));
            }
        }
    }

    /// Moves the commands of a wallet out of the lanes: those of a group, and those that came meanwhile.
    fn set_apart(&self, wallet: WalletId, waiting: Vec<Pending>) {
        let mut queue = lock(&self.queue);
        let later = queue.remove(&wallet);
        for one in waiting.into_iter().chain(later) {
            self.apart.queue(wallet, one.command, one.outcome_tx);
        }
    }

    async fn commit(
        &self,
        connection: &LaneConnection,
        commands: &[WalletCommands<'_>],
    ) -> StoreResult<Outcomes> {
        let tries = AtomicU32::new(0);
        let takes_keys_for_new = self.takes_keys_for_new();
        let most_tries = MAX_GROUP_TRIES + u32::from(takes_keys_for_new);
        let may_run_again = |error: &StoreError| {
            if !is_lost_race(error) {
                return false;
            }
            // On a cluster a key that was stored at another node comes as a conflict, too.
            self.checked_groups.store(CHECKED_GROUPS, Ordering::Relaxed);
            tries.fetch_add(1, Ordering::Relaxed) + 1 < most_tries
        };
        repeat_while(may_run_again, || {
            let is_first = tries.load(Ordering::Relaxed) == 0;
            let check = if takes_keys_for_new && is_first { KeyCheck::WhenStored } else { KeyCheck::First };
            answered(self.commit_once(connection, commands, check))
        })
        .await
    }

    /// Whether the next group may take its keys for new.
    fn takes_keys_for_new(&self) -> bool {
        let taken = |left: u32| left.checked_sub(1);
        self.checked_groups.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err()
    }

    async fn commit_once(
        &self,
        connection: &LaneConnection,
        commands: &[WalletCommands<'_>],
        check: KeyCheck,
    ) -> StoreResult<Outcomes> {
        let idle = lock(connection).take();
        let mut conn = if let Some(conn) = idle {
            conn
        } else {
            self.pool.set_connect_options(lane_options(&self.followed));
            self.pool.acquire().await?
        };
        let mut tx = conn.begin().await?;
        let outcomes = apply_to_unlocked(&mut tx, commands, self.clock.as_ref(), check).await?;
        tx.commit().await?;
        // After an error it goes back to the pool, which checks it.
        *lock(connection) = Some(conn);
        Ok(outcomes)
    }
}

/// Options of connections of lanes to the node that a pool uses.
fn lane_options(followed: &Pool) -> MySqlConnectOptions {
    MySqlConnectOptions::clone(&followed.connect_options()).statement_cache_capacity(LANE_STATEMENTS)
}

fn commands_of<'a>((wallet, waiting): (&'a WalletId, &'a Vec<Pending>)) -> WalletCommands<'a> {
    WalletCommands { wallet: *wallet, commands: waiting.iter().map(|one| &one.command).collect() }
}

/// Whether the group may succeed when it is repeated: also after a key that another transaction stored concurrently. A long wait
/// for a lock may last as long again.
fn is_lost_race(error: &StoreError) -> bool {
    error.is_lost_race() || matches!(error, StoreError::Duplicate { .. })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open lane. After a panic the commands of its group are dropped, so that their callers get an error, and so are those that
/// wait if no other lane takes them; the next caller opens a lane again.
struct LaneGuard<'a> {
    lanes: &'a WalletLanes,
    /// Number of the group that it executes.
    group: Option<u64>,
}

impl LaneGuard<'_> {
    fn give_back(&mut self) {
        if let Some(group) = self.group.take() {
            lock(&self.lanes.queue).give_back(group);
        }
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        let lost = lock(&self.lanes.queue).abandon(self.group.take());
        drop(lost);
    }
}
