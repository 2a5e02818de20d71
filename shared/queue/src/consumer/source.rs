//! Backend of apalis' workers: fetches as many wake-ups as there is demand for. What one fetch returns is one task of apalis.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use apalis::prelude::{Backend, Identity, Task, TaskBuilder, TaskId, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_redis::{Config, RedisStorage};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::{RedisError, Script};
use tokio::time::Sleep;

use super::QueueKeys;
use super::demand::{Demand, FetchPermit, NextFetch};
use super::wake_signal::WakeListener;
use crate::connection::RedisConnection;

static FETCH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/fetch.lua")));

/// A fetched wake-up: its id, its data, and the permit to hold it.
pub(super) struct Fetched {
    pub(super) task: String,
    pub(super) data: Vec<u8>,
    pub(super) permit: FetchPermit,
}

/// Redis is unavailable.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueSourceError {
    /// While fetching tasks.
    #[error("fetching: {0}")]
    Fetch(#[from] RedisError),
    /// In apalis-redis: registration, heartbeat, recovery of orphans.
    #[error("{0}")]
    Storage(#[from] apalis_redis::Error),
}

/// An apalis backend. apalis-redis does registration, heartbeats and recovery of dead workers' tasks. Fetching is our
/// own, because apalis-redis sends no heartbeat while it waits with a full batch.
pub(super) struct QueueSource {
    storage: RedisStorage<(), RedisConnection>,
    redis: RedisConnection,
    queue_keys: Arc<QueueKeys>,
    inflight: Arc<str>,
    demand: Demand,
    wake_listener: WakeListener,
    /// The last fetch got as many as it asked for, so more may wait.
    more_wait: bool,
    /// More may have arrived since the last fetch.
    is_due: bool,
    fetching: Option<BoxFuture<'static, Result<Vec<Fetched>, RedisError>>>,
    asked: usize,
    fetched_count: u64,
    /// Ends when free run permits have gathered for long enough.
    gathering: Pin<Box<Sleep>>,
}

impl QueueSource {
    pub(super) fn new(
        redis: RedisConnection,
        config: Config,
        queue_keys: Arc<QueueKeys>,
        inflight: Arc<str>,
        demand: Demand,
        wake_listener: WakeListener,
    ) -> Self {
        Self {
            storage: RedisStorage::new(redis.clone()).with_config(config),
            redis,
            queue_keys,
            inflight,
            demand,
            wake_listener,
            more_wait: false,
            is_due: true,
            fetching: None,
            asked: 0,
            fetched_count: 0,
            gathering: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// Starts to fetch what is wanted; `false` if that is nothing yet.
    fn begin_fetch(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> bool {
        let wanted = loop {
            match self.demand.next_fetch(self.more_wait, Instant::now()) {
                NextFetch::Later => return false,
                NextFetch::Now(wanted) => break wanted,
                NextFetch::At(time) => {
                    self.gathering.as_mut().reset(time.into());
                    if self.gathering.poll_unpin(cx).is_pending() {
                        return false;
                    }
                }
            }
        };
        self.asked = wanted;
        let (mut redis, queue_keys, inflight) =
            (self.redis.clone(), Arc::clone(&self.queue_keys), Arc::clone(&self.inflight));
        let (name, occupancy) = (worker.name().to_owned(), Arc::clone(self.demand.occupancy()));
        let fetch = async move {
            let found: Vec<(String, Vec<u8>)> = FETCH_SCRIPT
                .key(&queue_keys.workers)
                .key(&queue_keys.active)
                .key(&*inflight)
                .key(&queue_keys.data)
                .key(&queue_keys.signal)
                .key(&queue_keys.pace)
                .arg(name)
                .arg(wanted)
                .invoke_async(&mut redis)
                .await?;
            let held = found.into_iter();
            Ok(held.map(|(task, data)| Fetched { task, data, permit: occupancy.enter() }).collect())
        };
        self.fetching = Some(fetch.boxed());
        true
    }

    /// apalis requires ids that are unique among running tasks. Ours may be redelivered while they run.
    fn task(&mut self, fetched: Vec<Fetched>) -> Task<Vec<Fetched>> {
        self.fetched_count += 1;
        TaskBuilder::new(fetched).task_id(TaskId::from_int(self.fetched_count)).build()
    }
}

impl Backend for QueueSource {
    type Task = Task<Vec<Fetched>>;
    type Error = QueueSourceError;

    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), QueueSourceError>> {
        self.storage.poll_ready(cx, worker).map_err(QueueSourceError::from)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Task<Vec<Fetched>>, QueueSourceError>>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let found = ready!(fetching.poll_unpin(cx));
                self.fetching = None;
                match found {
                    Ok(found) => {
                        self.more_wait = found.len() == self.asked;
                        self.is_due = self.more_wait;
                        if !found.is_empty() {
                            return Poll::Ready(Some(Ok(self.task(found))));
                        }
                    }
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
            self.is_due |= self.wake_listener.poll_wake(cx);
            if !self.is_due || !self.begin_fetch(cx, worker) {
                return Poll::Pending;
            }
        }
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), QueueSourceError>> {
        self.storage.poll_close(cx, worker).map_err(QueueSourceError::from)
    }
}

impl BackendConfig for QueueSource {
    type Args = Vec<Fetched>;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Config;
    type Layer = Identity;

    fn config(&self) -> &Config {
        self.storage.get_config()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
