//! Redis as the transport of wake-ups: key names, messages, connections.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use apalis_redis::Config;
use flysk_domain::id::JobId;
use flysk_store::jobs::DueJob;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};

use crate::policy::Priority;

/// Maximum number of wake-ups of a queue in Redis. Further jobs wait in MySQL, where the relay selects them fairly
/// between tenants. Far below 8,000, at which apalis-redis fails.
pub const MAX_QUEUED_WAKEUPS: usize = 1_000;

/// Lifetime of the key that [`check_redis`] writes, ms.
const READINESS_KEY_TTL_MS: u32 = 60_000;

static PUSH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/push.lua")));

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
    redis: ConnectionManager,
    keys: RedisKeys,
}

impl std::fmt::Debug for QueueNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueNotifier").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl QueueNotifier {
    /// Uses an open connection.
    pub fn new(redis: ConnectionManager, keys: RedisKeys) -> Self {
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

    /// Free capacity of each of `queues`.
    pub(crate) async fn free_capacity(&self, queues: &[String]) -> Result<Vec<usize>, RedisError> {
        let mut ask = redis::pipe();
        for queue in queues {
            ask.llen(self.keys.queue(queue).active_jobs_list());
        }
        let held: Vec<usize> = ask.query_async(&mut self.redis.clone()).await?;
        Ok(held.into_iter().map(|held| MAX_QUEUED_WAKEUPS.saturating_sub(held)).collect())
    }
}

/// The default response timeout.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// [`connect_redis_with_timeout`] with the default of 10 s, for tests and tools.
pub async fn connect_redis(url: &str) -> Result<ConnectionManager, RedisError> {
    connect_redis_with_timeout(url, DEFAULT_RESPONSE_TIMEOUT).await
}

/// Opens a connection that survives pauses of Redis shorter than `response_timeout`. The crate's default of 500 ms is
/// too short for a snapshot or a load peak.
pub async fn connect_redis_with_timeout(
    url: &str,
    response_timeout: Duration,
) -> Result<ConnectionManager, RedisError> {
    redis::Client::open(url)?.get_connection_manager_with_config(connection_config(response_timeout)).await
}

/// Like [`connect_redis_with_timeout`], for a process that also works without Redis: the first command connects, and
/// later ones reconnect.
pub fn connect_redis_lazily(url: &str, response_timeout: Duration) -> Result<ConnectionManager, RedisError> {
    ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, connection_config(response_timeout))
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

fn connection_config(response_timeout: Duration) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(response_timeout))
        .set_connection_timeout(Some(Duration::from_secs(5)))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_secs(2))
}
