//! Relay: pushes wake-ups of due rows from MySQL to Redis, and detects that Redis lost its data.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_store::jobs::{self, DueJob, WaitingJob};
use flysk_store::{StoreResult, repeat_contended};
use redis::AsyncCommands;
use redis::aio::ConnectionManager;
use tokio_util::sync::CancellationToken;

use crate::due_selector::DueSelector;
use crate::outbox::Outbox;
use crate::transport::{MAX_QUEUED_WAKEUPS, QueueNotifier, RedisKeys, WakeupMessage};

/// How often the relay polls for due rows.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A wake-up whose job was not claimed within this time is pushed again; that has no effect if it still waits in Redis.
const REPUSH_AFTER: Duration = Duration::from_secs(30);

/// A new epoch concerns jobs whose push was deferred, which is never for longer than this; later ones were not pushed yet.
/// Twice [`REPUSH_AFTER`], because the clocks of processes differ a little.
const MAX_DEFERRAL: Duration = Duration::from_mins(1);

/// Rows per statement.
const PUSH_BATCH_SIZE: usize = 500;

/// A queue with less free capacity in Redis than this is not refilled, because it has enough work until the next poll.
const MIN_FREE_CAPACITY: usize = MAX_QUEUED_WAKEUPS / 4;

/// Any number of relays may run: rows are locked with `FOR UPDATE SKIP LOCKED`.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) outbox: Outbox,
    pub(super) notifier: QueueNotifier,
    pub(super) redis: ConnectionManager,
    pub(super) keys: RedisKeys,
    pub(super) queues: Vec<String>,
    pub(super) selector: DueSelector,
}

impl Relay {
    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut epoch = None;
        let mut tick = tokio::time::interval(POLL_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let turn = async {
                let seen = self.epoch().await?;
                if epoch.as_ref() != Some(&seen) {
                    self.begin_epoch().await?;
                    epoch = Some(seen);
                }
                self.push_due().await
            };
            match stop.run_until_cancelled(turn).await {
                Some(Err(error)) => tracing::warn!(error = %error, "relay failed to push wake-ups"),
                Some(Ok(())) => {}
                None => return,
            }
        }
    }

    /// Identifies the data of the Redis server: changes when the server restarts or its data is wiped.
    async fn epoch(&self) -> Result<(String, String), RelayError> {
        let mut redis = self.redis.clone();
        let key = self.keys.key("epoch");
        let fresh = format!("{:032x}", self.outbox.clock().random_u128());
        let () = redis.set_nx(&key, fresh).await?;
        let stored: String = redis.get(&key).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok((stored, run_id.to_owned()))
    }

    async fn begin_epoch(&self) -> Result<(), RelayError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let now = self.outbox.clock().now();
        let again = jobs::push_everything_again(&mut conn, now, now + MAX_DEFERRAL).await?;
        tracing::info!(jobs = again, "Redis is new or lost its data: everything due is pushed again");
        Ok(())
    }

    /// Refills queues with enough free capacity.
    async fn push_due(&mut self) -> Result<(), RelayError> {
        let capacities = self.notifier.free_capacity(&self.queues).await?;
        let queues = self.queues.iter().map(String::as_str);
        let mut open: Vec<(&str, usize)> =
            queues.zip(capacities).filter(|(_, capacity)| *capacity >= MIN_FREE_CAPACITY).collect();
        while !open.is_empty() {
            let now = self.outbox.clock().now();
            let wanted: Vec<(&str, usize)> =
                open.iter().map(|(queue, capacity)| (*queue, (*capacity).min(PUSH_BATCH_SIZE))).collect();
            let mut conn = self.outbox.pool().acquire().await?;
            let selected = self.selector.select(&mut conn, &wanted, now).await?;
            drop(conn);
            let mut still_open = Vec::new();
            for ((queue, capacity), due) in open.into_iter().zip(selected) {
                let max = capacity.min(PUSH_BATCH_SIZE);
                let left = capacity - max;
                if self.push_batch(&due, now).await? >= max && left >= MIN_FREE_CAPACITY {
                    still_open.push((queue, left));
                }
            }
            open = still_open;
        }
        Ok(())
    }

    /// Pushes the jobs that no other relay takes, in their order; returns their number.
    async fn push_batch(&self, due: &[WaitingJob], now: DateTime<Utc>) -> Result<usize, RelayError> {
        if due.is_empty() {
            return Ok(0);
        }
        let ids: Vec<JobId> = due.iter().map(|job| job.id).collect();
        let mark = || async {
            let mut tx = self.outbox.pool().begin().await?;
            let mine = jobs::mark_pushed(&mut tx, &ids, now, now + REPUSH_AFTER).await?;
            tx.commit().await?;
            StoreResult::Ok(mine)
        };
        let mine: BTreeMap<JobId, DueJob> =
            repeat_contended(mark).await?.into_iter().map(|job| (job.id, job)).collect();
        let wakeups: Vec<WakeupMessage> =
            ids.iter().filter_map(|id| mine.get(id)).map(WakeupMessage::from).collect();
        let refused = match self.notifier.push(&wakeups).await {
            Ok(refused) => refused,
            Err(error) => {
                // The result is unknown, and pushing again is harmless.
                let unsure: Vec<JobId> = mine.into_keys().collect();
                jobs::defer_push(&mut *self.outbox.pool().acquire().await?, &unsure, now).await?;
                return Err(error.into());
            }
        };
        jobs::defer_push(&mut *self.outbox.pool().acquire().await?, &refused, now).await?;
        Ok(wakeups.len() - refused.len())
    }
}

/// MySQL or Redis is unavailable.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("{0}")]
    Store(#[from] flysk_store::StoreError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
}
