//! Distributed rate and concurrency limits in Redis, fair between tenants.

mod permits;

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};

use crate::connection::RedisConnection;
use crate::outcome::JobError;
use crate::transport::RedisKeys;

pub use self::permits::LimitHolder;

static ACQUIRE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/acquire.lua")));
static LEAVE_QUEUE_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/leave_queue.lua")));
static WITNESS_BLOCK_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/witness_block.lua")));
static WITNESS_BLOCKED_FOR_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/witness_blocked_for.lua")));

/// Window of limits per second: 1.1 s instead of 1 s, because requests bunch up in transit.
const ONE_SECOND_WINDOW: Duration = Duration::from_millis(1_100);

/// Redis is unavailable.
pub type RateLimiterError = RedisError;

/// A rate limit with a sliding window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Name of the limit, such as `speechkit.submit` or `amocrm.31234567`.
    pub name: String,
    /// Maximum number of requests in a window.
    pub permits: u32,
    /// Length of the window.
    pub window: Duration,
}

impl RateLimit {
    /// At most `permits` in any `window`; limits of the same `name` share the count.
    pub fn new(name: impl Into<String>, permits: u32, window: Duration) -> Self {
        Self { name: name.into(), permits, window }
    }

    /// `permits` per second, with a margin for requests that bunch up in transit.
    pub fn per_second(name: impl Into<String>, permits: u32) -> Self {
        Self::new(name, permits, ONE_SECOND_WINDOW)
    }
}

/// A concurrency limit: a distributed semaphore whose permits expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    /// Part of the keys in Redis: processes with the same name share the permits.
    pub name: String,
    /// Maximum number of permits held at the same time.
    pub permits: u32,
    /// Time after which a permit expires, unless it is renewed.
    pub permit_ttl: Duration,
    /// While any permit has been held for longer than this, no other is granted: its holder waits for a service that
    /// does not answer.
    pub close_when_held_longer_than: Option<Duration>,
}

/// Result of waiting for a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// Acquired after this wait.
    Acquired(Duration),
    /// Not acquired within the timeout; it would take this much longer.
    TimedOut(Duration),
}

/// Result of requesting a permit of a [`ConcurrencyLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitOutcome {
    /// The holder must release or renew the permit.
    Acquired,
    /// All permits are taken.
    Full,
    /// A permit is held longer than [`ConcurrencyLimit::close_when_held_longer_than`].
    Closed,
}

/// Acquires rate and concurrency limits in Redis. Clones share the connection.
#[derive(Clone)]
pub struct RateLimiter {
    redis: RedisConnection,
    keys: RedisKeys,
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl RateLimiter {
    /// Uses an open connection.
    pub fn new(redis: RedisConnection, keys: RedisKeys) -> Self {
        Self { redis, keys }
    }

    /// Acquires a rate limit for one request of `job`, or returns the time to wait. A job that asks again keeps its
    /// position in the queue.
    pub async fn try_acquire(
        &self,
        rate: &RateLimit,
        tenant: &str,
        job: &str,
    ) -> Result<Option<Duration>, RedisError> {
        /// Time for which a job keeps its position after its turn: its own queue may be full, or its worker gone.
        const RETURN_TIMEOUT: Duration = Duration::from_mins(1);
        self.acquire_or_queue(rate, tenant, job, 2 * rate.window + RETURN_TIMEOUT).await
    }

    /// Waits in the queue for `who` of `tenant`, up to `timeout`. Dropping the future leaves the queue.
    pub async fn acquire_timeout(
        &self,
        rate: &RateLimit,
        tenant: &str,
        who: &str,
        timeout: Duration,
    ) -> Result<WaitOutcome, RedisError> {
        let mut guard = QueueGuard { limits: self, rate, tenant, who, left: false };
        let mut waited = Duration::ZERO;
        loop {
            // If the process dies, the position expires after the timeout.
            let Some(wait) = self.acquire_or_queue(rate, tenant, who, timeout).await? else {
                guard.left = true;
                return Ok(WaitOutcome::Acquired(waited));
            };
            if waited + wait > timeout {
                guard.left = true;
                self.leave_queue(rate, tenant, who).await;
                return Ok(WaitOutcome::TimedOut(wait));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
        }
    }

    async fn acquire_or_queue(
        &self,
        rate: &RateLimit,
        tenant: &str,
        job: &str,
        timeout: Duration,
    ) -> Result<Option<Duration>, RedisError> {
        let base = self.keys.key(&format!("limit:{}", rate.name));
        let wait: u64 = ACQUIRE_SCRIPT
            .key(&base)
            .key(format!("{base}:tenants"))
            .key(format!("{base}:waiting:{tenant}"))
            .arg(millis(rate.window))
            .arg(rate.permits)
            .arg(tenant)
            .arg(job)
            .arg(millis(timeout))
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((wait > 0).then(|| Duration::from_millis(wait)))
    }

    /// Leaves the queue of a rate limit, so that an abandoned position does not delay others.
    async fn leave_queue(&self, rate: &RateLimit, tenant: &str, who: &str) {
        let base = self.keys.key(&format!("limit:{}", rate.name));
        let left: Result<(), _> = LEAVE_QUEUE_SCRIPT
            .key(format!("{base}:tenants"))
            .key(format!("{base}:waiting:{tenant}"))
            .arg(tenant)
            .arg(who)
            .invoke_async(&mut self.redis.clone())
            .await;
        if let Err(error) = left {
            tracing::debug!(error = %error, limit = %rate.name, "failed to leave the queue of a rate limit");
        }
    }

    /// Records that a service has blocked us under `name`, for `duration`. Best effort: without Redis, the next refused
    /// call records the block again.
    pub async fn block(&self, name: &str, duration: Duration) {
        let set =
            redis::cmd("SET").arg(self.block_key(name)).arg(1).arg("PX").arg(millis(duration)).to_owned();
        if let Err(error) = set.query_async::<()>(&mut self.redis.clone()).await {
            tracing::warn!(error = %error, "failed to record a block");
        }
    }

    /// Remaining time of the block of `name`; `None` if it is not blocked.
    ///
    /// # Errors
    ///
    /// Redis is unavailable.
    pub async fn blocked_for(&self, name: &str) -> Result<Option<Duration>, RateLimiterError> {
        let left: i64 =
            redis::cmd("PTTL").arg(self.block_key(name)).query_async(&mut self.redis.clone()).await?;
        Ok(u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis))
    }

    /// Records that `witness` met a block of `name`. Until another witness meets it too, only `witness` is blocked. Best effort,
    /// as [`Self::block`].
    pub async fn block_for_witness(&self, name: &str, witness: &str, duration: Duration) {
        let recorded: Result<(), _> = WITNESS_BLOCK_SCRIPT
            .key(self.witnesses_key(name))
            .key(self.block_key(name))
            .arg(witness)
            .arg(millis(duration))
            .invoke_async(&mut self.redis.clone())
            .await;
        if let Err(error) = recorded {
            tracing::warn!(error = %error, "failed to record a block");
        }
    }

    /// Remaining time of the block of `name` for `witness`; `None` if it is not blocked.
    ///
    /// # Errors
    ///
    /// Redis is unavailable.
    pub async fn blocked_for_witness(
        &self,
        name: &str,
        witness: &str,
    ) -> Result<Option<Duration>, RateLimiterError> {
        let left: u64 = WITNESS_BLOCKED_FOR_SCRIPT
            .key(self.witnesses_key(name))
            .key(self.block_key(name))
            .arg(witness)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((left > 0).then(|| Duration::from_millis(left)))
    }

    fn witnesses_key(&self, name: &str) -> String {
        self.keys.key(&format!("block:{name}:witnesses"))
    }

    fn block_key(&self, name: &str) -> String {
        self.keys.key(&format!("block:{name}"))
    }

    /// [`RateLimiter::try_acquire`] for handlers: `?` postpones the job. It also waits while Redis is unavailable.
    pub async fn acquire_or_snooze(&self, rate: &RateLimit, tenant: &str, job: &str) -> Result<(), JobError> {
        match self.try_acquire(rate, tenant, job).await {
            Ok(None) => Ok(()),
            Ok(Some(after)) => {
                Err(JobError::Wait { after, reason: format!("rate limit `{}` exceeded", rate.name) })
            }
            Err(error) => Err(unreachable(&error)),
        }
    }
}

/// A position in the queue of a rate limit. Dropping it leaves the queue.
struct QueueGuard<'a> {
    limits: &'a RateLimiter,
    rate: &'a RateLimit,
    tenant: &'a str,
    who: &'a str,
    left: bool,
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.left {
            return;
        }
        let (limits, rate) = (self.limits.clone(), self.rate.clone());
        let (tenant, who) = (self.tenant.to_owned(), self.who.to_owned());
        runtime.spawn(async move { limits.leave_queue(&rate, &tenant, &who).await });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unreachable(error: &RedisError) -> JobError {
    JobError::Wait { after: Duration::from_secs(1), reason: format!("rate limiter unavailable: {error}") }
}
