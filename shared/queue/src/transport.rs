//! Redis as the transport of wake-ups: key names, messages.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use apalis_redis::Config;
use flysk_domain::id::JobId;
use flysk_store::jobs::DueJob;
use redis::aio::ConnectionLike;
use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};

use crate::connection::RedisConnection;
use crate::full_queues::FullQueues;
use crate::policy::Priority;

/// Maximum number of wake-ups of a queue in Redis, where workers take them in the order of the pushes. Further jobs wait in
/// MySQL, where the relay selects them fairly between tenants. Far below 8,000, at which apalis-redis fails.
///
/// A queue holds what its workers take in a quarter of a second, 64 at least and this number at most.
pub const MAX_QUEUED_WAKEUPS: usize = 4_000;

/// Capacity of a queue whose jobs take long.
const MIN_QUEUED_WAKEUPS: usize = 64;

/// Capacity of a queue whose pace is unknown, as after a loss of Redis.
const FIRST_QUEUED_WAKEUPS: usize = 256;

/// Time for which wake-ups wait in Redis, ms: a job of another tenant waits about as long behind those of a busy one.
const QUEUED_TIME_MS: u32 = 250;

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

    /// What workers take of `queue`, and its capacity.
    pub(crate) fn pace(&self, queue: &str) -> String {
        self.key(&format!("{queue}:pace"))
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

/// Pushes wake-ups to queues. Clones share the connection, and what they know of full queues.
#[derive(Clone)]
pub struct QueueNotifier {
    redis: RedisConnection,
    keys: RedisKeys,
    /// What pushes of new jobs have found.
    pub(crate) full_queues: Arc<FullQueues>,
}

impl std::fmt::Debug for QueueNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueNotifier").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Who pushes wake-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pusher {
    /// A relay, which has taken its turn.
    Relay,
    /// The process that enqueued the jobs. It gets half of a queue's capacity, and all of it for urgent jobs: a relay refills a queue
    /// once half is free, and new jobs that kept it fuller would pass those that wait in MySQL by, for as long as they come.
    Enqueuer,
}

impl Pusher {
    /// Number by which the capacity of a queue is divided.
    const fn divisor(self) -> u8 {
        match self {
            Self::Relay => 1,
            Self::Enqueuer => 2,
        }
    }
}

impl QueueNotifier {
    /// Uses an open connection.
    pub fn new(redis: RedisConnection, keys: RedisKeys) -> Self {
        Self { redis, keys, full_queues: Arc::default() }
    }

    /// Whether `queue` would refuse wake-ups of new jobs: it did so a moment ago. Urgent ones may find a place nevertheless.
    pub(crate) fn is_full(&self, queue: &str) -> bool {
        self.full_queues.contains(queue, Instant::now())
    }

    /// Pushes as many as the queues have capacity for; returns the jobs not pushed.
    pub(crate) async fn push(
        &self,
        wakeups: &[WakeupMessage],
        pusher: Pusher,
    ) -> Result<Vec<JobId>, RedisError> {
        let mut by_queue: BTreeMap<&str, Vec<&WakeupMessage>> = BTreeMap::new();
        for wakeup in wakeups {
            by_queue.entry(&wakeup.queue).or_default().push(wakeup);
        }
        let mut refused = Vec::new();
        for (queue, wakeups) in by_queue {
            let config = self.keys.queue(queue);
            let mut push = PUSH_SCRIPT.prepare_invoke();
            push.key(config.job_data_hash()).key(config.active_jobs_list());
            push.key(self.keys.channel(queue)).key(self.keys.pace(queue)).arg(FIRST_QUEUED_WAKEUPS);
            push.arg(pusher.divisor());
            for wakeup in &wakeups {
                let data = serde_json::to_string(wakeup).map_err(std::io::Error::other)?;
                push.arg(&wakeup.task).arg(data).arg(u8::from(wakeup.urgent));
            }
            let tasks: Vec<String> = push.invoke_async(&mut self.redis.clone()).await?;
            if pusher == Pusher::Enqueuer {
                self.full_queues.note(queue, !tasks.is_empty(), Instant::now());
            }
            refused.extend(wakeups.iter().filter(|w| tasks.contains(&w.task)).map(|w| w.job));
        }
        Ok(refused)
    }

    /// Takes the turn to push, if no other relay has it and at least half of a queue's capacity is free. Returns whether it was
    /// taken, and the free capacity of each of `queues`: 0 if it is less than half. Such a queue has enough work until the next
    /// turn.
    ///
    /// The turn saves work and protects nothing: two relays may have it, and rows are reserved in MySQL.
    pub(crate) async fn take_turn(
        &self,
        relay: &str,
        queues: &[String],
    ) -> Result<(bool, Vec<usize>), RedisError> {
        let mut take = TAKE_TURN_SCRIPT.prepare_invoke();
        take.key(self.turn_key());
        for queue in queues {
            take.key(self.keys.queue(queue).active_jobs_list()).key(self.keys.pace(queue));
        }
        take.arg(relay).arg(TURN_TTL_MS);
        take.arg(FIRST_QUEUED_WAKEUPS).arg(MIN_QUEUED_WAKEUPS).arg(MAX_QUEUED_WAKEUPS).arg(QUEUED_TIME_MS);
        let (taken, free): (u8, Vec<usize>) = take.invoke_async(&mut self.redis.clone()).await?;
        Ok((taken == 1, free))
    }

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

#[cfg(test)]
mod tests {
    use redis::AsyncCommands as _;

    use super::*;
    use crate::connection::connect_redis;

    const QUEUE: &str = "test";
    const WORKER: &str = "worker";

    /// A queue on the Redis of the tests.
    struct Queue {
        redis: RedisConnection,
        keys: RedisKeys,
        notifier: QueueNotifier,
        pushed: usize,
    }

    impl Queue {
        /// An empty one. `name` is unique among the tests.
        #[expect(clippy::disallowed_methods, reason = "the variable names the Redis of the tests")]
        async fn open(name: &str) -> Self {
            let mut redis = connect_redis(&std::env::var("REDIS_URL").unwrap()).await.unwrap();
            let keys = RedisKeys::new(format!("{name}-{}", std::process::id()));
            let workers = keys.queue(QUEUE).workers_set();
            let _: usize = redis.zadd(workers, WORKER, 1).await.unwrap();
            let notifier = QueueNotifier::new(redis.clone(), keys.clone());
            Self { redis, keys, notifier, pushed: 0 }
        }

        /// Pushes wake-ups of new jobs; returns how many the queue had capacity for.
        async fn push(&mut self, count: usize) -> usize {
            self.push_as(Pusher::Relay, count, false).await
        }

        async fn push_as(&mut self, pusher: Pusher, count: usize, urgent: bool) -> usize {
            let numbers = self.pushed..self.pushed + count;
            self.pushed += count;
            let wakeups: Vec<WakeupMessage> = numbers
                .map(|number| {
                    let job: JobId = format!("job_{number:026}").parse().unwrap();
                    WakeupMessage { task: format!("{job}.0"), job, queue: QUEUE.to_owned(), urgent }
                })
                .collect();
            count - self.notifier.push(&wakeups, pusher).await.unwrap().len()
        }

        /// Fetches as a worker does; returns the number of tasks.
        async fn fetch(&mut self, count: usize) -> usize {
            let config = self.keys.queue(QUEUE);
            let fetched: Vec<(String, Vec<u8>)> = Script::new(include_str!("lua/fetch.lua"))
                .key(config.workers_set())
                .key(config.active_jobs_list())
                .key(self.keys.key("inflight"))
                .key(config.job_data_hash())
                .key(config.signal_list())
                .key(self.keys.pace(QUEUE))
                .arg(WORKER)
                .arg(count)
                .invoke_async(&mut self.redis)
                .await
                .unwrap();
            fetched.len()
        }

        /// Free capacity that a relay sees; it does not keep its turn.
        async fn free(&mut self) -> usize {
            let (_, free) = self.notifier.take_turn("relay", &[QUEUE.to_owned()]).await.unwrap();
            self.notifier.end_turn("relay").await.unwrap();
            free[0]
        }

        /// Lets the last measurement be this old, in ms by the clock of Redis.
        async fn age_measurement(&mut self, age_ms: u64) {
            let (seconds, micros): (u64, u64) =
                redis::cmd("TIME").query_async(&mut self.redis).await.unwrap();
            let since = seconds * 1_000 + micros / 1_000 - age_ms;
            let _: usize = self.redis.hset(self.keys.pace(QUEUE), "since", since).await.unwrap();
        }
    }

    /// What it holds waits in front of the jobs of other tenants.
    #[tokio::test]
    async fn a_slow_queue_holds_few_wakeups() {
        let mut queue = Queue::open("pace-slow").await;
        assert_eq!(queue.push(1_000).await, FIRST_QUEUED_WAKEUPS);
        for _ in 0..3 {
            assert_eq!(queue.free().await, 0, "no turn for a full queue");
            queue.age_measurement(10_000).await;
        }
        let rest = MIN_QUEUED_WAKEUPS - 10;
        assert_eq!(queue.fetch(FIRST_QUEUED_WAKEUPS - rest).await, FIRST_QUEUED_WAKEUPS - rest);
        queue.age_measurement(10_000).await;
        assert_eq!(queue.free().await, 0, "less than half is free");
        assert_eq!(queue.push(100).await, 10);
        assert_eq!(queue.fetch(MIN_QUEUED_WAKEUPS / 2).await, MIN_QUEUED_WAKEUPS / 2);
        assert_eq!(queue.free().await, MIN_QUEUED_WAKEUPS / 2);
    }

    #[tokio::test]
    async fn a_queue_holds_what_its_workers_take_in_a_quarter_of_a_second() {
        let mut queue = Queue::open("pace-fast").await;
        let mut capacity = FIRST_QUEUED_WAKEUPS;
        while capacity < MAX_QUEUED_WAKEUPS {
            assert_eq!(queue.push(capacity + 1).await, capacity);
            assert_eq!(queue.fetch(capacity).await, capacity);
            capacity = (2 * capacity).min(MAX_QUEUED_WAKEUPS);
            assert_eq!(queue.free().await, capacity, "the workers had taken all of it");
        }
        assert_eq!(queue.push(MAX_QUEUED_WAKEUPS + 1).await, MAX_QUEUED_WAKEUPS);
        // Taken within a second.
        assert_eq!(queue.fetch(1_600).await, 1_600);
        queue.age_measurement(1_000).await;
        assert_eq!(queue.free().await, 0);
        assert_eq!(queue.fetch(1_800).await, 1_800);
        assert_eq!(queue.free().await, MAX_QUEUED_WAKEUPS / 2 - 600, "one measurement halves it at most");
    }

    /// Otherwise new jobs would keep the relay, and so the jobs that wait in MySQL, out of a queue for as long as they come.
    #[tokio::test]
    async fn new_jobs_leave_half_of_a_queue_to_the_relay() {
        let mut queue = Queue::open("pace-share").await;
        let half = FIRST_QUEUED_WAKEUPS / 2;
        assert_eq!(queue.push_as(Pusher::Enqueuer, FIRST_QUEUED_WAKEUPS, false).await, half);
        assert_eq!(queue.free().await, half, "a relay has a turn");
        assert_eq!(queue.push_as(Pusher::Enqueuer, 1, true).await, 1, "an urgent one is pushed");
        assert_eq!(queue.push(FIRST_QUEUED_WAKEUPS).await, half - 1);
        assert_eq!(queue.push_as(Pusher::Enqueuer, 1, true).await, 0, "it is full");
    }

    #[tokio::test]
    async fn pushes_of_new_jobs_tell_whether_a_queue_is_full() {
        let mut queue = Queue::open("pace-full").await;
        let began = Instant::now();
        let is_full = |queue: &Queue| queue.notifier.full_queues.contains(QUEUE, began);
        assert_eq!(queue.push(FIRST_QUEUED_WAKEUPS + 1).await, FIRST_QUEUED_WAKEUPS);
        assert!(!is_full(&queue), "a relay knows the free capacity by its turn");
        assert_eq!(queue.push_as(Pusher::Enqueuer, 1, false).await, 0);
        assert!(is_full(&queue));
        assert_eq!(queue.fetch(FIRST_QUEUED_WAKEUPS).await, FIRST_QUEUED_WAKEUPS);
        assert_eq!(queue.push_as(Pusher::Enqueuer, 1, false).await, 1);
        assert!(!is_full(&queue));
    }

    #[tokio::test]
    async fn an_idle_queue_keeps_its_capacity() {
        let mut queue = Queue::open("pace-idle").await;
        assert_eq!(queue.push(FIRST_QUEUED_WAKEUPS).await, FIRST_QUEUED_WAKEUPS);
        assert_eq!(queue.fetch(FIRST_QUEUED_WAKEUPS).await, FIRST_QUEUED_WAKEUPS);
        assert_eq!(queue.free().await, 2 * FIRST_QUEUED_WAKEUPS);
        for _ in 0..3 {
            queue.age_measurement(60_000).await;
            assert_eq!(queue.free().await, 2 * FIRST_QUEUED_WAKEUPS);
        }
    }
}
