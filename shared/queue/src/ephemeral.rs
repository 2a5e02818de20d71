//! Ephemeral jobs: timers in Redis only, for polling that can be re-created from MySQL.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use redis::{RedisError, Script};
use tokio_util::sync::CancellationToken;

use crate::connection::RedisConnection;
use crate::consumer::{Deliver, Delivery};
use crate::job::EphemeralJob;
use crate::outcome::JobError;
use crate::transport::RedisKeys;

static MOVE_DUE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/move_due.lua")));

/// Queue for due ephemeral jobs.
pub(super) const QUEUE_NAME: &str = "ephemeral";
/// Maximum number of jobs in that queue; other due jobs wait in the sorted set.
const MAX_QUEUED: usize = 1_000;
/// Interval between moves of due jobs to the queue.
const MOVE_INTERVAL: Duration = Duration::from_millis(50);
/// The interval while the queue is full.
const MOVE_INTERVAL_WHEN_FULL: Duration = Duration::from_millis(5);
/// Jobs moved per Redis call.
const MOVE_BATCH_SIZE: usize = 500;
/// Time limit of a run.
const RUN_TIMEOUT: Duration = Duration::from_secs(30);
/// Retry delay of a failed run.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// Next run of an ephemeral job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRun {
    /// At this time or later.
    At(DateTime<Utc>),
    /// Never: the polled object has ended.
    Stop,
}

/// Handler of one kind of ephemeral jobs in the application `App`.
pub trait EphemeralHandler<App>: EphemeralJob {
    /// Runs once; `key` names the polled object. The handler logs failures to be retried itself, because only it knows
    /// the trace of the object.
    fn handle(key: &str, app: &App) -> impl Future<Output = Result<NextRun, JobError>> + Send;
}

/// Schedules ephemeral jobs. Clones share the connection.
#[derive(Clone)]
pub struct EphemeralQueue {
    redis: RedisConnection,
    keys: RedisKeys,
}

impl std::fmt::Debug for EphemeralQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EphemeralQueue").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl EphemeralQueue {
    /// Uses an open connection.
    pub fn new(redis: RedisConnection, keys: RedisKeys) -> Self {
        Self { redis, keys }
    }

    /// Schedules the job of `key` at `at`, replacing its previous time.
    pub async fn schedule<T: EphemeralJob>(&self, key: &str, at: DateTime<Utc>) -> Result<(), RedisError> {
        redis::cmd("ZADD")
            .arg(self.keys.due_ephemeral())
            .arg(at.timestamp_millis())
            .arg(member_name(T::KIND, key))
            .query_async(&mut self.redis.clone())
            .await
    }

    /// Schedules those of the jobs that are not scheduled, to restore lost ones; returns their number.
    pub async fn schedule_missing<T: EphemeralJob>(
        &self,
        keys: &[(String, DateTime<Utc>)],
    ) -> Result<usize, RedisError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut add = redis::cmd("ZADD");
        add.arg(self.keys.due_ephemeral()).arg("NX");
        for (key, at) in keys {
            add.arg(at.timestamp_millis()).arg(member_name(T::KIND, key));
        }
        add.query_async(&mut self.redis.clone()).await
    }

    /// Moves due jobs to the queue until `stop`.
    pub(super) async fn move_due(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut pause = MOVE_INTERVAL;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = match self.move_batch(clock.now()).await {
                Ok((_, more)) if !more => MOVE_INTERVAL,
                // The queue is full; workers will free capacity soon.
                Ok((moved, _)) if moved < MOVE_BATCH_SIZE => MOVE_INTERVAL_WHEN_FULL,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::debug!(error = %error, "failed to move due ephemeral jobs");
                    MOVE_INTERVAL
                }
            };
        }
    }

    /// Returns the number of moved jobs, and whether more are due.
    async fn move_batch(&self, now: DateTime<Utc>) -> Result<(usize, bool), RedisError> {
        let config = self.keys.queue(QUEUE_NAME);
        MOVE_DUE_SCRIPT
            .key(self.keys.due_ephemeral())
            .key(config.job_data_hash())
            .key(config.active_jobs_list())
            .key(self.keys.channel(QUEUE_NAME))
            .arg(now.timestamp_millis())
            .arg(MAX_QUEUED)
            .arg(MOVE_BATCH_SIZE)
            .invoke_async(&mut self.redis.clone())
            .await
    }
}

/// `kind key`; kinds contain no space.
fn member_name(kind: &str, key: &str) -> String {
    format!("{kind} {key}")
}

type EphemeralHandlerFn<App> =
    Arc<dyn for<'a> Fn(&'a str, &'a App) -> BoxFuture<'a, Result<NextRun, JobError>> + Send + Sync>;

/// Kinds of ephemeral jobs with their handlers.
pub struct EphemeralRegistry<App> {
    kinds: BTreeMap<&'static str, EphemeralHandlerFn<App>>,
}

impl<App> Default for EphemeralRegistry<App> {
    fn default() -> Self {
        Self { kinds: BTreeMap::new() }
    }
}

impl<App> std::fmt::Debug for EphemeralRegistry<App> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

impl<App: Send + Sync + 'static> EphemeralRegistry<App> {
    /// Adds a kind.
    #[must_use]
    pub fn with<T: EphemeralHandler<App>>(mut self) -> Self {
        self.kinds.insert(T::KIND, Arc::new(|key, app| T::handle(key, app).boxed()));
        self
    }
}

/// Runs delivered ephemeral jobs.
pub(super) struct EphemeralDelivery<App> {
    pub(super) registry: EphemeralRegistry<App>,
    pub(super) app: Arc<App>,
    pub(super) clock: Arc<dyn Clock>,
}

impl<App: Send + Sync + 'static> Deliver for EphemeralDelivery<App> {
    type Task = String;
    type Work = Delivery<String>;

    fn accept(&self, wakeups: Vec<Delivery<String>>) -> impl Future<Output = Vec<Delivery<String>>> + Send {
        std::future::ready(wakeups)
    }

    async fn perform(&self, work: Delivery<String>) {
        let Delivery { task, ack, permit: _permit } = work;
        let (kind, key) = task.split_once(' ').unwrap_or((task.as_str(), ""));
        let Some((&kind, perform)) = self.registry.kinds.get_key_value(kind) else {
            tracing::warn!(kind, "unknown kind of ephemeral job");
            return ack.complete();
        };
        let result =
            AssertUnwindSafe(tokio::time::timeout(RUN_TIMEOUT, perform(key, &self.app))).catch_unwind().await;
        let failed = self.clock.now() + RETRY_DELAY;
        let next = match result {
            Ok(Ok(Ok(next))) => next,
            Ok(Ok(Err(JobError::Wait { after, .. }))) => NextRun::At(self.clock.now() + after),
            Ok(Ok(Err(JobError::GiveUp { reason }))) => {
                tracing::error!(kind, key, reason, "ephemeral job given up");
                NextRun::Stop
            }
            // Already logged by the handler, with the object's trace.
            Ok(Ok(Err(error))) => {
                tracing::debug!(kind, key, error = %error, "ephemeral job failed; will be retried");
                NextRun::At(failed)
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(kind, key, "ephemeral job panicked or timed out; will be retried");
                NextRun::At(failed)
            }
        };
        metrics::counter!("flysk_ephemeral_runs_total", "kind" => kind).increment(1);
        match next {
            NextRun::At(at) => ack.reschedule(at),
            NextRun::Stop => ack.complete(),
        }
    }
}
