//! Jobs that call a service with limits.

use std::time::Duration;

use anyhow::ensure;
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::queues;
use flysk_queue::limits::{ConcurrencyLimit, RateLimit, RateLimiter};
use flysk_queue::{
    Backoff, Job, JobContext, JobError, JobHandler, JobResult, Policy, RedisConnection, RedisKeys,
};
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};

use super::fleet::Fleet;
use super::marks::{leave_mark, note_start};

/// Calls that may run at once.
const MAX_CONCURRENT_CALLS: usize = 2;
/// Calls that may begin within [`WINDOW`].
const MAX_CALLS_PER_WINDOW: usize = 3;
const WINDOW: Duration = Duration::from_secs(1);
/// Duration of a call.
const CALL_TIME: Duration = Duration::from_millis(500);
/// A permit whose holder is gone expires after this time.
const PERMIT_TTL: Duration = Duration::from_secs(5);
/// The time from a permit to the note of a call differs by less than this.
const NOTE_JITTER: Duration = Duration::from_millis(250);

/// A service that notes when it was called.
#[derive(Debug)]
pub struct LimitedService {
    limits: RateLimiter,
    redis: RedisConnection,
    /// List of the times of all calls, in ms since 1970.
    calls: String,
}

impl LimitedService {
    /// Limits and notes are in Redis: all workers call one service.
    pub(super) fn new(redis: RedisConnection, keys: RedisKeys) -> Self {
        let calls = keys.key("calls");
        Self { limits: RateLimiter::new(redis.clone(), keys), redis, calls }
    }

    /// Calls when both limits allow it.
    async fn call(&self, holder: &str) -> Result<(), JobError> {
        let limit = ConcurrencyLimit {
            name: "service".to_owned(),
            permits: u32::try_from(MAX_CONCURRENT_CALLS).unwrap_or(u32::MAX),
            permit_ttl: PERMIT_TTL,
            close_when_held_longer_than: None,
        };
        self.limits.acquire_permit_or_snooze(&limit, holder, Duration::from_millis(100)).await?;
        let called = self.call_at_rate(holder).await;
        self.limits.release_permit(&limit, holder).await;
        called
    }

    async fn call_at_rate(&self, holder: &str) -> Result<(), JobError> {
        let permits = u32::try_from(MAX_CALLS_PER_WINDOW).unwrap_or(u32::MAX);
        let rate = RateLimit::new("service", permits, WINDOW);
        self.limits.acquire_or_snooze(&rate, "tenant", holder).await?;
        let now = SystemClock.now().timestamp_millis();
        let noted: Result<(), redis::RedisError> = self.redis.clone().rpush(&self.calls, now).await;
        noted.map_err(|error| JobError::retry(error.to_string()))?;
        tokio::time::sleep(CALL_TIME).await;
        Ok(())
    }
}

/// Context of the handlers.
#[derive(Debug)]
pub struct ChaosContext {
    /// The service that [`CallService`] calls.
    pub(super) service: LimitedService,
}

/// Calls the service, then inserts one row. A job that was taken over calls again.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallService {
    /// Unique within a test.
    pub key: u64,
}

impl Job for CallService {
    const KIND: &'static str = "chaos.call_service";
    const POLICY: Policy = Policy::for_queue(queues::UPKEEP)
        .attempts(50)
        .backoff(Backoff::Exponential { first: Duration::from_millis(100), max: Duration::from_secs(1) });
    const TRIGGER: &'static str = "a chaos test";
    const DESCRIPTION: &'static str = "calls a service with limits";
}

impl JobHandler<ChaosContext> for CallService {
    async fn handle(&self, run: &JobContext, app: &ChaosContext) -> JobResult {
        app.service.call(&run.job_id().to_string()).await?;
        note_start(run, self.key).await?;
        leave_mark(run, self.key).await
    }
}

impl Fleet {
    /// Checks that the calls to the service kept its limits; forgets them. Returns their number.
    pub async fn check_limits(&self) -> anyhow::Result<usize> {
        let key = RedisKeys::new("chaos").key("calls");
        let mut redis = self.redis_connection().await?;
        let mut calls: Vec<i64> = redis.lrange(&key, 0, -1).await?;
        let () = redis.del(&key).await?;
        calls.sort_unstable();
        for (limit, apart) in [(MAX_CONCURRENT_CALLS, CALL_TIME), (MAX_CALLS_PER_WINDOW, WINDOW)] {
            let least = i64::try_from(apart.saturating_sub(NOTE_JITTER).as_millis())?;
            for calls in calls.windows(limit + 1) {
                let (begun, ended) = (calls.first().copied(), calls.last().copied());
                let between = ended.unwrap_or_default() - begun.unwrap_or_default();
                ensure!(between >= least, "{} calls within {between} ms", limit + 1);
            }
        }
        Ok(calls.len())
    }
}
