//! Redis as the transport of wake-ups: key names, messages.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use apalis_redis::Config;
use flysk_domain::id::JobId;
use flysk_store::jobs::DueJob;
use redis::aio::ConnectionLike;
use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};

use crate::connection::RedisConnection;
use crate::policy::Priority;

/// Maximum number of wake-ups of a queue in Redis. Further jobs wait in MySQL, where the relay selects them fairly
/// between tenants. Far below 8,000, at which apalis-redis fails.
pub const MAX_QUEUED_WAKEUPS: usize = 1_000;

/// Lifetime of the key that [`check_redis`] writes, ms.
const READINESS_KEY_TTL_MS: u32 = 60_000;

/// A relay's turn to push ends by itself after this time, ms: its process may be gone.
const TURN_TTL_MS: u32 = 1_000;

static PUSH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/push.lua")));
static TAKE_TURN_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/take_turn.lua")));
static END_TURN_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/end_turn.lua")));

/// Names of Redis keys. The prefix separates deployments (or tests) on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisKeys {
    prefix: String,
}

impl RedisKeys {
    /// Keys with `prefix`, by default `flysk`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Key with the prefix.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// apalis' configuration of `queue`.
    pub(crate) fn queue(&self, queue: &str) -> Config {
        Config::default().queue(self.key(queue))
    }

    /// Sorted set of ephemeral jobs by due time.
    pub(crate) fn due_ephemeral(&self) -> String {
        self.key("ephemeral:due")
    }

    /// Channel that announces pushes to `queue`.
    pub(crate) fn channel(&self, queue: &str) -> String {
        self.key(&format!("{queue}:wake"))
    }
}

/// Message to a worker: a task id, and the job to claim in MySQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WakeupMessage {
    /// Unique per wait of the job: the same wait pushed twice is one task, the next wait another.
    pub(crate) task: String,
    pub(crate) job: JobId,
    pub(crate) queue: String,
    pub(crate) urgent: bool,
}

impl From<&DueJob> for WakeupMessage {
    fn from(due: &DueJob) -> Self {
        Self {
            task: format!("{}.{}", due.id, due.fence),
            job: due.id,
            queue: due.queue.clone(),
            urgent: due.priority == Priority::High as u8,
        }
    }
}

/// Pushes wake-ups to queues. Clones share the connection.
#[derive(Clone)]
pub struct QueueNotifier {
    redis: RedisConnection,
    keys: RedisKeys,
}

impl std::fmt::Debug for QueueNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueNotifier").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl QueueNotifier {
    /// Uses an open connection.
    pub fn new(redis: RedisConnection, keys: RedisKeys) -> Self {
        Self { redis, keys }
    }

    /// Pushes as many as the queues have capacity for; returns the jobs not pushed.
    pub(crate) async fn push(&self, wakeups: &[WakeupMessage]) -> Result<Vec<JobId>, RedisError> {
        let mut by_queue: BTreeMap<&str, Vec<&WakeupMessage>> = BTreeMap::new();
        for wakeup in wakeups {
            by_queue.entry(&wakeup.queue).or_default().push(wakeup);
        }
        let mut refused = Vec::new();
        for (queue, wakeups) in by_queue {
            let config = self.keys.queue(queue);
            let mut push = PUSH_SCRIPT.prepare_invoke();
            push.key(config.job_data_hash()).key(config.active_jobs_list());
            push.key(self.keys.channel(queue)).arg(MAX_QUEUED_WAKEUPS);
            for wakeup in &wakeups {
                let data = serde_json::to_string(wakeup).map_err(std::io::Error::other)?;
                push.arg(&wakeup.task).arg(data).arg(u8::from(wakeup.urgent));
            }
            let tasks: Vec<String> = push.invoke_async(&mut self.redis.clone()).await?;
            refused.extend(wakeups.iter().filter(|w| tasks.contains(&w.task)).map(|w| w.job));
        }
        Ok(refused)
    }

    /// Takes the turn to push, if no other relay has it and a queue has at least `min_free` capacity. Returns whether it was
    /// taken, and the free capacity of each of `queues`.
    ///
    /// The turn saves work and protects nothing: two relays may have it, and rows are reserved in MySQL.
    pub(crate) async fn take_turn(
        &self,
        relay: &str,
        queues: &[String],
        min_free: usize,
    ) -> Result<(bool, Vec<usize>), RedisError> {
        let mut take = TAKE_TURN_SCRIPT.prepare_invoke();
        take.key(self.turn_key());
        for queue in queues {
            take.key(self.keys.queue(queue).active_jobs_list());
        }
        take.arg(relay).arg(TURN_TTL_MS).arg(MAX_QUEUED_WAKEUPS).arg(min_free);
        let (taken, free): (u8, Vec<usize>) = take.invoke_async(&mut self.redis.clone()).await?;
        Ok((taken == 1, free))
    }

    /// Ends the turn of a relay.
    pub(crate) async fn end_turn(&self, relay: &str) -> Result<(), RedisError> {
        END_TURN_SCRIPT.key(self.turn_key()).arg(relay).invoke_async(&mut self.redis.clone()).await
    }

    fn turn_key(&self) -> String {
        self.keys.key("relay")
    }
}

/// Checks that Redis takes writes. The caller sets the time limit. A replica answers `PING`, but refuses to write.
///
/// # Errors
///
/// Redis is unreachable or read-only.
pub async fn check_redis(redis: &mut impl ConnectionLike, keys: &RedisKeys) -> Result<(), RedisError> {
    let key = keys.key("readiness");
    redis::cmd("SET").arg(key).arg(1).arg("PX").arg(READINESS_KEY_TTL_MS).query_async(redis).await
}
