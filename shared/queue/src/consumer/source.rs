//! Backend of apalis' workers: fetches up to as many wake-ups as there are free permits.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use apalis::prelude::{Backend, Identity, Task, TaskBuilder, TaskId, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_redis::{Config, RedisStorage};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::QueueKeys;
use super::wake_signal::WakeListener;

static FETCH_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/fetch.lua")));

/// Maximum number of wake-ups per fetch.
const FETCH_BATCH_SIZE: usize = 64;

/// A fetched wake-up: its id, its data, and a permit to work on it.
pub(super) struct Fetched {
    pub(super) task: String,
    pub(super) data: Vec<u8>,
    pub(super) permit: OwnedSemaphorePermit,
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
    storage: RedisStorage<()>,
    redis: ConnectionManager,
    queue_keys: Arc<QueueKeys>,
    inflight: Arc<str>,
    permits: Arc<Semaphore>,
    wake_listener: WakeListener,
    /// The last fetch used all its permits, so more tasks may wait.
    more: bool,
    fetching: Option<BoxFuture<'static, Result<Vec<Fetched>, RedisError>>>,
    asked: usize,
    fetched: VecDeque<Fetched>,
    fetched_count: u64,
}

impl QueueSource {
    pub(super) fn new(
        redis: ConnectionManager,
        config: Config,
        queue_keys: Arc<QueueKeys>,
        inflight: Arc<str>,
        permits: Arc<Semaphore>,
        wake_listener: WakeListener,
    ) -> Self {
        Self {
            storage: RedisStorage::new(redis.clone()).with_config(config),
            redis,
            queue_keys,
            inflight,
            permits,
            wake_listener,
            more: true,
            fetching: None,
            asked: 0,
            fetched: VecDeque::new(),
            fetched_count: 0,
        }
    }

    /// Acquires all free permits and starts to fetch as many tasks; `false` if no permit is free.
    fn begin_fetch(&mut self, worker: &WorkerContext) -> bool {
        let mut permits = Vec::new();
        while permits.len() < FETCH_BATCH_SIZE
            && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
        {
            permits.push(permit);
        }
        self.asked = permits.len();
        if permits.is_empty() {
            return false;
        }
        let (mut redis, queue_keys, inflight) =
            (self.redis.clone(), Arc::clone(&self.queue_keys), Arc::clone(&self.inflight));
        let name = worker.name().to_owned();
        let fetch = async move {
            let found: Vec<(String, Vec<u8>)> = FETCH_SCRIPT
                .key(&queue_keys.workers)
                .key(&queue_keys.active)
                .key(&*inflight)
                .key(&queue_keys.data)
                .key(&queue_keys.signal)
                .arg(name)
                .arg(permits.len())
                .invoke_async(&mut redis)
                .await?;
            let with_permits = found.into_iter().zip(permits);
            Ok(with_permits.map(|((task, data), permit)| Fetched { task, data, permit }).collect())
        };
        self.fetching = Some(fetch.boxed());
        true
    }

    /// apalis requires ids that are unique among running tasks. Ours may be redelivered while they run.
    fn task(&mut self, fetched: Fetched) -> Task<Fetched> {
        self.fetched_count += 1;
        TaskBuilder::new(fetched).task_id(TaskId::from_int(self.fetched_count)).build()
    }
}

impl Backend for QueueSource {
    type Task = Task<Fetched>;
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
    ) -> Poll<Option<Result<Task<Fetched>, QueueSourceError>>> {
        loop {
            if let Some(fetched) = self.fetched.pop_front() {
                return Poll::Ready(Some(Ok(self.task(fetched))));
            }
            if let Some(fetching) = &mut self.fetching {
                let found = ready!(fetching.poll_unpin(cx));
                self.fetching = None;
                match found {
                    Ok(found) => {
                        self.more = found.len() == self.asked;
                        self.fetched = found.into();
                    }
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
                continue;
            }
            self.more |= self.wake_listener.poll_wake(cx);
            if !self.more || !self.begin_fetch(worker) {
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
    type Args = Fetched;
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
