//! Wake-ups: what Redis carries.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use apalis_redis::Config;
use flysk_domain::id::JobId;
use flysk_store::jobs::DueJob;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};

use crate::policy::Priority;

/// A queue never holds more wake-ups in Redis than this: what waits beyond it waits in MySQL, where
/// turns between tenants are kept. Far below the 8,000 at which apalis-redis breaks.
pub const QUEUE_HOLDS: usize = 1_000;

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/push.lua")));

/// Names of our keys in Redis; a prefix keeps several deployments (or tests) on one server apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that begin with `prefix`, `flysk` in production.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// A key of ours.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// The apalis queue behind `queue`.
    pub(crate) fn queue(&self, queue: &str) -> Config {
        Config::default().queue(self.key(queue))
    }

    /// Ticks and when they are due.
    pub(crate) fn due_ticks(&self) -> String {
        self.key("ticks:due")
    }

    /// Where a push to `queue` is announced.
    pub(crate) fn channel(&self, queue: &str) -> String {
        self.key(&format!("{queue}:wake"))
    }
}

/// What a worker finds in Redis: a task id of its own, and which job to look at in MySQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wakeup {
    /// Unique per wait of the job: the same wait pushed twice is one task, the next wait is another.
    pub(crate) task: String,
    pub(crate) job: JobId,
    pub(crate) queue: String,
    pub(crate) urgent: bool,
}

impl From<&DueJob> for Wakeup {
    fn from(due: &DueJob) -> Self {
        Self {
            task: format!("{}.{}", due.id, due.fence),
            job: due.id,
            queue: due.queue.clone(),
            urgent: due.priority == Priority::High as u8,
        }
    }
}

/// Pushes wake-ups; clones share the connection.
#[derive(Clone)]
pub struct Waker {
    redis: ConnectionManager,
    keys: Keys,
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waker").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Waker {
    /// On an open connection.
    pub fn new(redis: ConnectionManager, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Pushes what there is room for; returns the jobs that were refused.
    pub(crate) async fn push(&self, wakeups: &[Wakeup]) -> Result<Vec<JobId>, RedisError> {
        let mut by_queue: BTreeMap<&str, Vec<&Wakeup>> = BTreeMap::new();
        for wakeup in wakeups {
            by_queue.entry(&wakeup.queue).or_default().push(wakeup);
        }
        let mut refused = Vec::new();
        for (queue, wakeups) in by_queue {
            let config = self.keys.queue(queue);
            let mut push = PUSH.prepare_invoke();
            push.key(config.job_data_hash()).key(config.active_jobs_list());
            push.key(self.keys.channel(queue)).arg(QUEUE_HOLDS);
            for wakeup in &wakeups {
                let data = serde_json::to_string(wakeup).map_err(std::io::Error::other)?;
                push.arg(&wakeup.task).arg(data).arg(u8::from(wakeup.urgent));
            }
            let tasks: Vec<String> = push.invoke_async(&mut self.redis.clone()).await?;
            refused.extend(wakeups.iter().filter(|w| tasks.contains(&w.task)).map(|w| w.job));
        }
        Ok(refused)
    }

    /// How many more wake-ups each of `queues` takes.
    pub(crate) async fn rooms(&self, queues: &[String]) -> Result<Vec<usize>, RedisError> {
        let mut ask = redis::pipe();
        for queue in queues {
            ask.llen(self.keys.queue(queue).active_jobs_list());
        }
        let held: Vec<usize> = ask.query_async(&mut self.redis.clone()).await?;
        Ok(held.into_iter().map(|held| QUEUE_HOLDS.saturating_sub(held)).collect())
    }
}

/// How long an answer may take where nothing else is said.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// [`connect_redis_within`] the usual 10 s, for tests and tools.
pub async fn connect_redis(url: &str) -> Result<ConnectionManager, RedisError> {
    connect_redis_within(url, RESPONSE_TIMEOUT).await
}

/// Opens a connection that survives pauses of Redis shorter than `response_timeout`: the crate's default
/// gives an answer 500 ms, which a snapshot or a busy moment outlasts.
pub async fn connect_redis_within(
    url: &str,
    response_timeout: Duration,
) -> Result<ConnectionManager, RedisError> {
    redis::Client::open(url)?.get_connection_manager_with_config(patient(response_timeout)).await
}

/// The same for a process that does its work without Redis too: connected by the first command, and again
/// by a later one if Redis was away.
pub fn connect_redis_when_there(
    url: &str,
    response_timeout: Duration,
) -> Result<ConnectionManager, RedisError> {
    ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, patient(response_timeout))
}

fn patient(response_timeout: Duration) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(response_timeout))
        .set_connection_timeout(Some(Duration::from_secs(5)))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_secs(2))
}
