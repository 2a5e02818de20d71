//! Carries due rows from MySQL to Redis, and notices when Redis forgot.

use std::time::Duration;

use flysk_store::{StoreResult, jobs, repeat_contended};
use redis::AsyncCommands;
use redis::aio::ConnectionManager;
use tokio_util::sync::CancellationToken;

use crate::outbox::Outbox;
use crate::wake::{Keys, QUEUE_HOLDS, Waker, Wakeup};

/// How often due rows are looked for.
const EVERY: Duration = Duration::from_millis(250);

/// A wake-up that led nowhere for so long is carried again (and is a no-op if it still waits).
const AGAIN: Duration = Duration::from_secs(30);

/// Rows per statement.
const BATCH: usize = 500;

/// A queue with less room in Redis than this has work enough until the next look.
const WORTH_ASKING: usize = QUEUE_HOLDS / 4;

/// Any number of relays may run: rows are claimed with `FOR UPDATE SKIP LOCKED`.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) outbox: Outbox,
    pub(super) waker: Waker,
    pub(super) redis: ConnectionManager,
    pub(super) keys: Keys,
    pub(super) queues: Vec<String>,
}

impl Relay {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut epoch = None;
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let turn = async {
                let seen = self.epoch().await?;
                if epoch.as_ref() != Some(&seen) {
                    self.begin_epoch().await?;
                    epoch = Some(seen);
                }
                self.carry().await
            };
            match stop.run_until_cancelled(turn).await {
                Some(Err(error)) => tracing::warn!(error = %error, "the relay could not carry"),
                Some(Ok(())) => {}
                None => return,
            }
        }
    }

    /// What Redis we talk to: changes when the server restarts or its data is wiped.
    async fn epoch(&self) -> Result<(String, String), RelayError> {
        let mut redis = self.redis.clone();
        let key = self.keys.key("epoch");
        let fresh = format!("{:032x}", rand::random::<u128>());
        let () = redis.set_nx(&key, fresh).await?;
        let stored: String = redis.get(&key).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok((stored, run_id.to_owned()))
    }

    async fn begin_epoch(&self) -> Result<(), RelayError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let again = jobs::push_everything_again(&mut conn, self.outbox.clock().now()).await?;
        tracing::info!(jobs = again, "Redis is new or was wiped: everything due is carried again");
        Ok(())
    }

    /// Which rows are due in fair order is a question about all of a queue's: it is asked only when there
    /// is room for a good many answers.
    async fn carry(&self) -> Result<(), RelayError> {
        let rooms = self.waker.rooms(&self.queues).await?;
        for (queue, mut room) in self.queues.iter().zip(rooms) {
            while room >= WORTH_ASKING {
                let most = room.min(BATCH);
                if self.carry_batch(queue, most).await? < most {
                    break;
                }
                room -= most;
            }
        }
        Ok(())
    }

    /// Carries at most `most` rows; how many it was.
    async fn carry_batch(&self, queue: &str, most: usize) -> Result<usize, RelayError> {
        let now = self.outbox.clock().now();
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        let due = jobs::list_due(&mut *self.outbox.pool().acquire().await?, queue, now, limit).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = due.iter().map(|job| job.id).collect();
        let mark = || async {
            let mut tx = self.outbox.pool().begin().await?;
            let mine = jobs::mark_pushed(&mut tx, &ids, now, now + AGAIN).await?;
            tx.commit().await?;
            StoreResult::Ok(mine)
        };
        let mine = repeat_contended(mark).await?;
        let wakeups: Vec<Wakeup> =
            due.iter().filter(|job| mine.contains(&job.id)).map(Wakeup::from).collect();
        let refused = match self.waker.push(&wakeups).await {
            Ok(refused) => refused,
            Err(error) => {
                // Perhaps pushed, perhaps not: carrying again is harmless.
                jobs::defer_push(&mut *self.outbox.pool().acquire().await?, &mine, now).await?;
                return Err(error.into());
            }
        };
        jobs::defer_push(&mut *self.outbox.pool().acquire().await?, &refused, now).await?;
        Ok(wakeups.len() - refused.len())
    }
}

/// Either side was away.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("{0}")]
    Store(#[from] flysk_store::StoreError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
}
