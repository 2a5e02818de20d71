//! The cheap lane: wake-ups in Redis only, for work that MySQL's state can always bring back.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};
use tokio_util::sync::CancellationToken;

use super::lane::{Acknowledge, Deliver};
use super::verdict::JobError;
use crate::job::Tick;
use crate::wake::{Keys, QUEUE_HOLDS};

static MOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/move.lua")));

/// The apalis queue that carries ticks.
pub(super) const QUEUE: &str = "ticks";
/// How often due ticks are moved there.
const EVERY: Duration = Duration::from_millis(50);
/// The same while the queue is full.
const EVERY_WHILE_FULL: Duration = Duration::from_millis(5);
/// How many in one call of Redis.
const AT_ONCE: usize = 500;
/// How long one tick may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A tick that fails comes again after this long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// When a tick should come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not before this time.
    At(DateTime<Utc>),
    /// Never: what it watched has ended.
    Stop,
}

/// Performs one kind of tick in the application `App`.
pub trait HandleTick<App>: Tick {
    /// Looks once; `key` says at what. A failure worth another attempt is logged here, where it is known whose
    /// thread it belongs to.
    fn tick(key: &str, app: &App) -> impl Future<Output = Result<Next, JobError>> + Send;
}

/// Sets ticks; clones share the connection.
#[derive(Clone)]
pub struct Ticks {
    redis: ConnectionManager,
    keys: Keys,
}

impl std::fmt::Debug for Ticks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticks").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Ticks {
    /// On an open connection.
    pub fn new(redis: ConnectionManager, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// Sets the tick of `key` to `at`, whatever it was set to.
    pub async fn set<T: Tick>(&self, key: &str, at: DateTime<Utc>) -> Result<(), RedisError> {
        redis::cmd("ZADD")
            .arg(self.keys.due_ticks())
            .arg(at.timestamp_millis())
            .arg(name(T::KIND, key))
            .query_async(&mut self.redis.clone())
            .await
    }

    /// Sets ticks that are not set; for sweepers that make lost ones again. Returns how many were.
    pub async fn set_missing<T: Tick>(&self, keys: &[(String, DateTime<Utc>)]) -> Result<usize, RedisError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let mut add = redis::cmd("ZADD");
        add.arg(self.keys.due_ticks()).arg("NX");
        for (key, at) in keys {
            add.arg(at.timestamp_millis()).arg(name(T::KIND, key));
        }
        add.query_async(&mut self.redis.clone()).await
    }

    /// Moves due ticks to the workers until `stop`.
    pub(super) async fn move_due(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut pause = EVERY;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = match self.move_batch(clock.now()).await {
                Ok((_, more)) if !more => EVERY,
                // The queue has no room for what is due: a moment later it has.
                Ok((moved, _)) if moved < AT_ONCE => EVERY_WHILE_FULL,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::debug!(error = %error, "due ticks could not be moved");
                    EVERY
                }
            };
        }
    }

    /// How many were moved, and whether more are due.
    async fn move_batch(&self, now: DateTime<Utc>) -> Result<(usize, bool), RedisError> {
        let config = self.keys.queue(QUEUE);
        MOVE.key(self.keys.due_ticks())
            .key(config.job_data_hash())
            .key(config.active_jobs_list())
            .key(self.keys.channel(QUEUE))
            .arg(now.timestamp_millis())
            .arg(QUEUE_HOLDS)
            .arg(AT_ONCE)
            .invoke_async(&mut self.redis.clone())
            .await
    }
}

/// `kind key`: no kind has a space.
fn name(kind: &str, key: &str) -> String {
    format!("{kind} {key}")
}

type PerformTick<App> =
    Arc<dyn for<'a> Fn(&'a str, &'a App) -> BoxFuture<'a, Result<Next, JobError>> + Send + Sync>;

/// The kinds of tick a worker can perform.
pub struct TickRegistry<App> {
    kinds: BTreeMap<&'static str, PerformTick<App>>,
}

impl<App> Default for TickRegistry<App> {
    fn default() -> Self {
        Self { kinds: BTreeMap::new() }
    }
}

impl<App> std::fmt::Debug for TickRegistry<App> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

impl<App: Send + Sync + 'static> TickRegistry<App> {
    /// Adds a kind.
    #[must_use]
    pub fn with<T: HandleTick<App>>(mut self) -> Self {
        self.kinds.insert(T::KIND, Arc::new(|key, app| T::tick(key, app).boxed()));
        self
    }
}

/// Works on ticks that apalis brings.
pub(super) struct TickWork<App> {
    pub(super) registry: TickRegistry<App>,
    pub(super) app: Arc<App>,
    pub(super) clock: Arc<dyn Clock>,
}

impl<App: Send + Sync + 'static> Deliver for TickWork<App> {
    type Task = String;

    async fn deliver(&self, task: String, acknowledge: Acknowledge) {
        let (kind, key) = task.split_once(' ').unwrap_or((task.as_str(), ""));
        let Some((&kind, perform)) = self.registry.kinds.get_key_value(kind) else {
            tracing::warn!(kind, "this release does not know the tick");
            return acknowledge.now();
        };
        let looked =
            AssertUnwindSafe(tokio::time::timeout(TIMEOUT, perform(key, &self.app))).catch_unwind().await;
        let failed = self.clock.now() + AFTER_FAILURE;
        let next = match looked {
            Ok(Ok(Ok(next))) => next,
            Ok(Ok(Err(JobError::Wait { after, .. }))) => Next::At(self.clock.now() + after),
            Ok(Ok(Err(JobError::GiveUp { reason }))) => {
                tracing::error!(kind, key, reason, "the tick was given up");
                Next::Stop
            }
            // The tick itself told of it, on the thread of what it watches.
            Ok(Ok(Err(error))) => {
                tracing::debug!(kind, key, error = %error, "the tick failed and comes again");
                Next::At(failed)
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(kind, key, "the tick panicked or took too long and comes again");
                Next::At(failed)
            }
        };
        metrics::counter!("flysk_ticks_total", "kind" => kind).increment(1);
        match next {
            Next::At(at) => acknowledge.until(at),
            Next::Stop => acknowledge.now(),
        }
    }
}
