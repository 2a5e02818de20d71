//! Where apalis' workers get wake-ups from: as many at once as there are free places.

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

use super::Layout;
use super::bell::Heed;

static FETCH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../../lua/fetch.lua")));

/// How many one fetch brings at most.
const AT_ONCE: usize = 64;

/// What is brought: an id, the data that lay under it, and a place to work on it.
pub(super) struct Fetched {
    pub(super) task: String,
    pub(super) data: Vec<u8>,
    pub(super) place: OwnedSemaphorePermit,
}

/// Redis could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// For tasks.
    #[error("fetching: {0}")]
    Fetch(#[from] RedisError),
    /// By apalis-redis: registration, heartbeat, recovery of orphans.
    #[error("{0}")]
    Storage(#[from] apalis_redis::Error),
}

/// An apalis backend. Being known, staying alive and taking over what dead workers held is left to
/// apalis-redis; fetching is ours, because its own batches wait without a heartbeat while slots are full.
pub(super) struct Source {
    storage: RedisStorage<()>,
    redis: ConnectionManager,
    layout: Arc<Layout>,
    inflight: Arc<str>,
    places: Arc<Semaphore>,
    heed: Heed,
    /// The last fetch filled every place it asked for, so more may wait.
    more: bool,
    fetching: Option<BoxFuture<'static, Result<Vec<Fetched>, RedisError>>>,
    asked: usize,
    fetched: VecDeque<Fetched>,
    brought: u64,
}

impl Source {
    pub(super) fn new(
        redis: ConnectionManager,
        config: Config,
        layout: Arc<Layout>,
        inflight: Arc<str>,
        places: Arc<Semaphore>,
        heed: Heed,
    ) -> Self {
        Self {
            storage: RedisStorage::new(redis.clone()).with_config(config),
            redis,
            layout,
            inflight,
            places,
            heed,
            more: true,
            fetching: None,
            asked: 0,
            fetched: VecDeque::new(),
            brought: 0,
        }
    }

    /// Takes the places that are free and begins to fetch as much; `false` if none is.
    fn begin_fetch(&mut self, worker: &WorkerContext) -> bool {
        let mut places = Vec::new();
        while places.len() < AT_ONCE
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
        {
            places.push(place);
        }
        self.asked = places.len();
        if places.is_empty() {
            return false;
        }
        let (mut redis, layout, inflight) =
            (self.redis.clone(), Arc::clone(&self.layout), Arc::clone(&self.inflight));
        let name = worker.name().to_owned();
        let fetch = async move {
            let found: Vec<(String, Vec<u8>)> = FETCH
                .key(&layout.workers)
                .key(&layout.active)
                .key(&*inflight)
                .key(&layout.data)
                .key(&layout.signal)
                .arg(name)
                .arg(places.len())
                .invoke_async(&mut redis)
                .await?;
            let with_places = found.into_iter().zip(places);
            Ok(with_places.map(|((task, data), place)| Fetched { task, data, place }).collect())
        };
        self.fetching = Some(fetch.boxed());
        true
    }

    /// apalis wants an id that no other task at work has; ours may be redelivered beside itself.
    fn task(&mut self, fetched: Fetched) -> Task<Fetched> {
        self.brought += 1;
        TaskBuilder::new(fetched).task_id(TaskId::from_int(self.brought)).build()
    }
}

impl Backend for Source {
    type Task = Task<Fetched>;
    type Error = SourceError;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), SourceError>> {
        self.storage.poll_ready(cx, worker).map_err(SourceError::from)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Task<Fetched>, SourceError>>> {
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
            self.more |= self.heed.poll_due(cx);
            if !self.more || !self.begin_fetch(worker) {
                return Poll::Pending;
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), SourceError>> {
        self.storage.poll_close(cx, worker).map_err(SourceError::from)
    }
}

impl BackendConfig for Source {
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
