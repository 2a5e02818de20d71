//! Queue consumers: apalis workers that deliver wake-ups from Redis. Only this directory uses apalis' workers.
//!
//! apalis-redis 1.0 is used in a mode in which it neither loses tasks nor stalls: without its locks, results and
//! events; with our own fetch ([`source`]) and acknowledgement ([`ack`]); with a new name for each session; and in a
//! loop, because any Redis error ends a worker.

mod ack;
mod demand;
mod run_time;
mod source;
mod wake_signal;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _, WorkerContext};
use apalis_redis::Config;
use redis::{RedisError, Script};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::ack::Ack;
use self::demand::{Demand, Occupancy};
use self::source::{Fetched, QueueSource};
use self::wake_signal::WakeListener;
use crate::connection::RedisConnection;
use crate::retry_pauses::retry_pauses;
use crate::transport::RedisKeys;

pub(super) use self::ack::AckHandle;
pub(super) use self::demand::{Capacity, FetchPermit};
pub(super) use self::wake_signal::WakeSignal;

/// Interval of renewing a worker's registration.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// After this many missed heartbeats, the worker's tasks are handed to others.
const MAX_MISSED_HEARTBEATS: usize = 6;

/// A wake-up that was fetched.
pub(super) struct Delivery<T> {
    /// The message.
    pub(super) task: T,
    /// Removes it from Redis.
    pub(super) ack: AckHandle,
    /// Held while the wake-up is in progress.
    pub(super) permit: FetchPermit,
}

/// Work of a consumer.
pub(super) trait Deliver: Send + Sync + 'static {
    /// Message in Redis, as JSON.
    type Task: DeserializeOwned + Send + 'static;
    /// Rest of the work for one message.
    type Work: Send + 'static;

    /// Begins the work on all wake-ups of a fetch. One that is dropped here without being acknowledged stays in Redis, and is
    /// delivered again when the session has ended.
    fn accept(&self, wakeups: Vec<Delivery<Self::Task>>) -> impl Future<Output = Vec<Self::Work>> + Send;

    /// Does the work on one of them.
    fn perform(&self, work: Self::Work) -> impl Future<Output = ()> + Send;
}

/// Names of a queue's keys in Redis.
#[derive(Debug)]
struct QueueKeys {
    workers: String,
    active: String,
    data: String,
    signal: String,
    channel: String,
    pace: String,
    due_ephemeral: String,
}

/// The consumer of one queue.
pub(super) struct QueueConsumer<D> {
    queue: String,
    owner: String,
    redis: RedisConnection,
    config: Config,
    queue_keys: Arc<QueueKeys>,
    capacity: Capacity,
    /// Belongs to the consumer, not to a session of its apalis worker: work of an earlier session counts until it ends.
    occupancy: Arc<Occupancy>,
    wake_signal: Arc<WakeSignal>,
    work: Arc<D>,
    in_progress: TaskTracker,
    stop: CancellationToken,
}

/// One run of the apalis worker, until a Redis error or shutdown ends it.
struct ConsumerSession<D> {
    consumer: Arc<QueueConsumer<D>>,
    name: String,
    context: WorkerContext,
    inflight: Arc<str>,
    ack_tx: mpsc::UnboundedSender<Ack>,
}

/// Shared state of the consumers of a process.
pub(super) struct ConsumerContext {
    pub(super) redis: RedisConnection,
    pub(super) keys: RedisKeys,
    /// Unique name of this process start.
    pub(super) owner: String,
    /// All running work of all consumers and sessions.
    pub(super) in_progress: TaskTracker,
    /// Cancelled when no new work may start.
    pub(super) stop: CancellationToken,
}

impl ConsumerContext {
    /// Creates a consumer of `queue` with up to `capacity` wake-ups in progress.
    pub(super) fn consumer<D: Deliver>(
        &self,
        queue: &str,
        capacity: Capacity,
        wake_signal: Arc<WakeSignal>,
        work: Arc<D>,
    ) -> QueueConsumer<D> {
        let config = self
            .keys
            .queue(queue)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT_INTERVAL)
            .missed_heartbeats(MAX_MISSED_HEARTBEATS)
            .lock_tasks(false)
            .persist_results(false)
            .emit_events(false);
        let queue_keys = QueueKeys {
            workers: config.workers_set(),
            active: config.active_jobs_list(),
            data: config.job_data_hash(),
            signal: config.signal_list(),
            channel: self.keys.channel(queue),
            pace: self.keys.pace(queue),
            due_ephemeral: self.keys.due_ephemeral(),
        };
        QueueConsumer {
            queue: queue.to_owned(),
            owner: self.owner.clone(),
            redis: self.redis.clone(),
            config,
            queue_keys: Arc::new(queue_keys),
            capacity,
            occupancy: Occupancy::new(Arc::clone(&wake_signal)),
            wake_signal,
            work,
            in_progress: self.in_progress.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl<D: Deliver> QueueConsumer<D> {
    /// Runs until the process stops and the last wake-up is acknowledged. Restarts the worker whenever a Redis error ends it.
    pub(super) async fn run(self) {
        let (ack_tx, ack_rx) = mpsc::unbounded_channel();
        let ack_batcher =
            tokio::spawn(ack::run_ack_batcher(self.redis.clone(), Arc::clone(&self.queue_keys), ack_rx));
        Arc::new(self).run_sessions(ack_tx).await;
        if let Err(error) = ack_batcher.await {
            tracing::error!(error = %error, "the ack batcher panicked");
        }
    }

    /// Works on the wake-ups of a fetch, each in a task of its own.
    async fn work_on(self: Arc<Self>, wakeups: Vec<Delivery<D::Task>>) {
        let mut work = self.work.accept(wakeups).await;
        // One of them needs no other task than this one: an idle worker starts a single job sooner.
        let last = work.pop();
        let mut others = Vec::with_capacity(work.len());
        for one in work {
            let performer = Arc::clone(&self.work);
            others.push(self.in_progress.spawn(async move { performer.perform(one).await }));
        }
        if let Some(last) = last {
            self.work.perform(last).await;
        }
        for other in others {
            if let Err(error) = other.await {
                tracing::error!(error = %error, "a task of the consumer panicked");
            }
        }
    }

    async fn run_sessions(self: Arc<Self>, ack_tx: mpsc::UnboundedSender<Ack>) {
        let mut starts = 0_u32;
        let mut pauses = retry_pauses();
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let name = format!("{}-{}-{starts}", self.queue, self.owner);
            let session = ConsumerSession::new(Arc::clone(&self), name, ack_tx.clone());
            session.run().await;
            if self.stop.is_cancelled() {
                return;
            }
            if began.elapsed() > Duration::from_secs(30) {
                pauses = retry_pauses();
            }
            let pause = pauses.next().unwrap_or_default();
            tracing::warn!(queue = %self.queue, retry_in_ms = pause.as_millis(), "the consumer lost Redis and restarts");
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            starts += 1;
        }
    }
}

impl<D: Deliver> ConsumerSession<D> {
    fn new(consumer: Arc<QueueConsumer<D>>, name: String, ack_tx: mpsc::UnboundedSender<Ack>) -> Arc<Self> {
        let context = WorkerContext::new(&name);
        let inflight = consumer.config.inflight_set_for(&context).into();
        Arc::new(Self { consumer, name, context, inflight, ack_tx })
    }

    /// Runs the worker until a Redis error or shutdown, and unregisters it.
    async fn run(self: &Arc<Self>) {
        let renewing = self.keep_metadata_alive();
        tokio::pin!(renewing);
        let working = self.work();
        tokio::select! {
            biased; // the metadata first: what apalis writes into it later keeps its time to live
            never = &mut renewing => match never {},
            () = working => {}
        }
        // Without Redis this may hang. The worker's name then expires.
        match tokio::time::timeout(Duration::from_secs(1), self.unregister()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "failed to unregister a worker"),
            Err(_) => tracing::debug!("timeout while unregistering a worker"),
        }
    }

    async fn work(self: &Arc<Self>) {
        let session = Arc::clone(self);
        let monitor = Monitor::new().register(move |_| {
            let consumer = &session.consumer;
            let source = QueueSource::new(
                consumer.redis.clone(),
                consumer.config.clone(),
                Arc::clone(&consumer.queue_keys),
                Arc::clone(&session.inflight),
                Demand::new(consumer.capacity, Arc::clone(&consumer.occupancy), Instant::now()),
                WakeListener::new(Arc::clone(&consumer.wake_signal)),
            );
            WorkerBuilder::new(session.name.as_str())
                .backend(source)
                .data(Arc::clone(&session))
                .catch_panic()
                .build(handle_task::<D>)
        });
        let context = monitor.context();
        let running = monitor.run();
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            () = self.consumer.stop.cancelled() => None,
        };
        match ended {
            Some(Err(error)) => tracing::debug!(queue = %self.consumer.queue, error = ?error, "worker ended"),
            Some(Ok(())) => {}
            None => {
                let _ = context.shutdown();
                // Running work ends within the executor's grace period. Without Redis, the shutdown itself may hang.
                let _ = running.await;
            }
        }
    }

    /// Sets an expiry on the worker's metadata. apalis never deletes the metadata, even if it considers the worker dead.
    async fn keep_metadata_alive(&self) -> std::convert::Infallible {
        let metadata = self.consumer.config.worker_metadata_key(&self.context);
        let seconds = i64::try_from(self.consumer.config.orphaned_duration().as_secs()).unwrap_or(i64::MAX);
        let mut redis = self.consumer.redis.clone();
        loop {
            let kept: Result<(), RedisError> = redis::pipe()
                .atomic()
                .hset(&metadata, "backend_name", "RedisStorage")
                .expire(&metadata, seconds)
                .query_async(&mut redis)
                .await;
            if let Err(error) = kept {
                tracing::debug!(error = %error, "failed to renew a worker's metadata");
            }
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        }
    }

    /// `None` if it is invalid. Then it is removed.
    fn decode(&self, fetched: Fetched) -> Option<Delivery<D::Task>> {
        let Fetched { task, data, permit } = fetched;
        let decoded = serde_json::from_slice::<D::Task>(&data);
        if let Err(error) = &decoded {
            tracing::error!(queue = %self.consumer.queue, task, error = %error, "dropped an invalid wake-up");
        }
        let ack = AckHandle { ack_tx: self.ack_tx.clone(), inflight: Arc::clone(&self.inflight), task };
        if let Ok(task) = decoded {
            return Some(Delivery { task, ack, permit });
        }
        ack.complete();
        None
    }

    /// Unregisters the worker and requeues the tasks it did not acknowledge. Tasks still in progress are delivered
    /// again: a durable job is claimed only once, an ephemeral job may run twice.
    async fn unregister(&self) -> Result<(), RedisError> {
        let script = Script::new(include_str!("../lua/requeue_inflight.lua"));
        let queue_keys = &self.consumer.queue_keys;
        script
            .key(&queue_keys.workers)
            .key(&queue_keys.active)
            .key(&*self.inflight)
            .key(self.consumer.config.worker_metadata_key(&self.context))
            .key(&queue_keys.channel)
            .arg(&self.name)
            .invoke_async(&mut self.consumer.redis.clone())
            .await
    }
}

/// The apalis handler of the wake-ups of one fetch. The work runs in tasks of its own: when a Redis error ends the worker,
/// apalis drops this future, and the work continues under its leases and permits.
async fn handle_task<D: Deliver>(
    fetched: Vec<Fetched>,
    session: Data<Arc<ConsumerSession<D>>>,
) -> Result<(), BoxDynError> {
    let consumer = &session.consumer;
    if consumer.stop.is_cancelled() {
        return Ok(()); // requeued when the worker unregisters
    }
    let wakeups: Vec<Delivery<D::Task>> =
        fetched.into_iter().filter_map(|fetched| session.decode(fetched)).collect();
    let in_progress = consumer.in_progress.spawn(Arc::clone(consumer).work_on(wakeups));
    if let Err(error) = in_progress.await {
        tracing::error!(error = %error, "a task of the consumer panicked");
    }
    Ok(())
}
