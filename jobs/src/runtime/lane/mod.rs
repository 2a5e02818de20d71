//! Lanes: apalis workers that bring wake-ups from Redis. The only folder that names apalis' workers.
//!
//! apalis-redis 1.0 is used in the one profile in which it neither loses nor stalls: no locks, results or
//! events of its own, a fetch ([`source`]) and an acknowledgement ([`acknowledge`]) of ours, a fresh name
//! for every start, and a loop around it all, because any error of Redis ends a worker.

mod acknowledge;
mod bell;
mod source;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder, WorkerBuilderExt as _, WorkerContext};
use apalis_redis::Config;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::acknowledge::Done;
use self::bell::Heed;
use self::source::{Fetched, Source};
use crate::wake::Keys;

pub(super) use self::acknowledge::Acknowledge;
pub(super) use self::bell::Bell;

/// How often a worker says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After so many that were missed, what it holds is handed to others.
const MISSED_HEARTBEATS: usize = 6;

/// What a lane does with each wake-up.
pub(super) trait Deliver: Send + Sync + 'static {
    /// What lies in Redis, as JSON.
    type Task: DeserializeOwned + Send + 'static;

    /// Works on it; `acknowledge` removes it from Redis.
    fn deliver(&self, task: Self::Task, acknowledge: Acknowledge) -> impl Future<Output = ()> + Send;
}

/// Names of a queue's keys in Redis.
#[derive(Debug)]
struct Layout {
    workers: String,
    active: String,
    data: String,
    signal: String,
    channel: String,
    due_ticks: String,
}

/// One queue's worker.
pub(super) struct Lane<D> {
    queue: String,
    owner: String,
    redis: ConnectionManager,
    config: Config,
    layout: Arc<Layout>,
    /// Work takes places of the lane, not of one start of its apalis worker: what an earlier start began
    /// counts until it ends.
    places: Arc<Semaphore>,
    bell: Arc<Bell>,
    work: Arc<D>,
    at_hand: TaskTracker,
    stop: CancellationToken,
}

/// One start of the apalis worker.
struct Start<D> {
    lane: Arc<Lane<D>>,
    name: String,
    context: WorkerContext,
    inflight: Arc<str>,
    desk: mpsc::UnboundedSender<Done>,
}

/// What lanes of a process share.
pub(super) struct House {
    pub(super) redis: ConnectionManager,
    pub(super) keys: Keys,
    /// Of this process start.
    pub(super) owner: String,
    /// Everything that is being worked on, whichever start of whichever lane began it.
    pub(super) at_hand: TaskTracker,
    /// From then on nothing new is begun.
    pub(super) stop: CancellationToken,
}

impl House {
    /// A lane for `queue` that works on `concurrency` wake-ups at once.
    pub(super) fn lane<D: Deliver>(
        &self,
        queue: &str,
        concurrency: usize,
        bell: Arc<Bell>,
        work: Arc<D>,
    ) -> Lane<D> {
        let config = self
            .keys
            .queue(queue)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS)
            .lock_tasks(false)
            .persist_results(false)
            .emit_events(false);
        let layout = Layout {
            workers: config.workers_set(),
            active: config.active_jobs_list(),
            data: config.job_data_hash(),
            signal: config.signal_list(),
            channel: self.keys.channel(queue),
            due_ticks: self.keys.due_ticks(),
        };
        Lane {
            queue: queue.to_owned(),
            owner: self.owner.clone(),
            redis: self.redis.clone(),
            config,
            layout: Arc::new(layout),
            places: Arc::new(Semaphore::new(concurrency)),
            bell,
            work,
            at_hand: self.at_hand.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl<D: Deliver> Lane<D> {
    /// Runs until the house stops, starting the worker anew whenever Redis ends it, and until the last
    /// wake-up it brought is acknowledged.
    pub(super) async fn run(self) {
        let (desk, done) = mpsc::unbounded_channel();
        let attending = tokio::spawn(acknowledge::attend(self.redis.clone(), Arc::clone(&self.layout), done));
        Arc::new(self).keep_starting(desk).await;
        if let Err(error) = attending.await {
            tracing::error!(error = %error, "acknowledging ended badly");
        }
    }

    async fn keep_starting(self: Arc<Self>, desk: mpsc::UnboundedSender<Done>) {
        let mut starts = 0_u32;
        let mut pause = Duration::from_millis(100);
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let name = format!("{}-{}-{starts}", self.queue, self.owner);
            let start = Start::new(Arc::clone(&self), name, desk.clone());
            start.run().await;
            if self.stop.is_cancelled() {
                return;
            }
            if began.elapsed() > Duration::from_secs(30) {
                pause = Duration::from_millis(100);
            }
            tracing::warn!(queue = %self.queue, retry_in_ms = pause.as_millis(), "the lane lost Redis and starts anew");
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            starts += 1;
        }
    }
}

impl<D: Deliver> Start<D> {
    fn new(lane: Arc<Lane<D>>, name: String, desk: mpsc::UnboundedSender<Done>) -> Arc<Self> {
        let context = WorkerContext::new(&name);
        let inflight = lane.config.inflight_set_for(&context).into();
        Arc::new(Self { lane, name, context, inflight, desk })
    }

    /// Runs the worker until Redis ends it or the house stops, and has it forgotten.
    async fn run(self: &Arc<Self>) {
        let renewing = self.keep_note();
        tokio::pin!(renewing);
        let working = self.work();
        tokio::select! {
            biased; // the note first: what apalis writes into it later keeps its time to live
            never = &mut renewing => match never {},
            () = working => {}
        }
        // With Redis down saying goodbye may hang; the name is given up for dead then.
        match tokio::time::timeout(Duration::from_secs(1), self.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "a worker could not say goodbye"),
            Err(_) => tracing::debug!("a worker could not say goodbye in time"),
        }
    }

    async fn work(self: &Arc<Self>) {
        let start = Arc::clone(self);
        let monitor = Monitor::new().register(move |_| {
            let lane = &start.lane;
            let source = Source::new(
                lane.redis.clone(),
                lane.config.clone(),
                Arc::clone(&lane.layout),
                Arc::clone(&start.inflight),
                Arc::clone(&lane.places),
                Heed::new(Arc::clone(&lane.bell)),
            );
            WorkerBuilder::new(start.name.as_str())
                .backend(source)
                .data(Arc::clone(&start))
                .catch_panic()
                .build(on_task::<D>)
        });
        let context = monitor.context();
        let running = monitor.run();
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            () = self.lane.stop.cancelled() => None,
        };
        match ended {
            Some(Err(error)) => tracing::debug!(queue = %self.lane.queue, error = ?error, "worker ended"),
            Some(Ok(())) => {}
            None => {
                let _ = context.shutdown();
                // What runs ends within the engine's grace; with Redis down the goodbye itself may hang.
                let _ = running.await;
            }
        }
    }

    /// apalis notes every worker under a key that it never deletes, not even when it gives the worker up
    /// for dead. The note of a start that dies vanishes by itself, as soon as its name is given up.
    async fn keep_note(&self) -> std::convert::Infallible {
        let note = self.lane.config.worker_metadata_key(&self.context);
        let seconds = i64::try_from(self.lane.config.orphaned_duration().as_secs()).unwrap_or(i64::MAX);
        let mut redis = self.lane.redis.clone();
        loop {
            let kept: Result<(), RedisError> = redis::pipe()
                .atomic()
                .hset(&note, "backend_name", "RedisStorage")
                .expire(&note, seconds)
                .query_async(&mut redis)
                .await;
            if let Err(error) = kept {
                tracing::debug!(error = %error, "a worker's note could not be renewed");
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    /// Forgets the name and hands to others what was fetched under it and not acknowledged. What is still
    /// worked on is handed out twice then: a job is claimed once, and a tick may be looked at twice.
    async fn leave(&self) -> Result<(), RedisError> {
        let script = Script::new(include_str!("../../lua/hand_over.lua"));
        let layout = &self.lane.layout;
        script
            .key(&layout.workers)
            .key(&layout.active)
            .key(&*self.inflight)
            .key(self.lane.config.worker_metadata_key(&self.context))
            .key(&layout.channel)
            .arg(&self.name)
            .invoke_async(&mut self.lane.redis.clone())
            .await
    }
}

/// The apalis handler. The work runs in a task of its own: when Redis ends the worker, apalis drops
/// this future, and the work goes on under its lease and in its place.
async fn on_task<D: Deliver>(fetched: Fetched, start: Data<Arc<Start<D>>>) -> Result<(), BoxDynError> {
    let Fetched { task, data, place } = fetched;
    let lane = &start.lane;
    if lane.stop.is_cancelled() {
        return Ok(()); // handed to others when the worker leaves
    }
    let acknowledge =
        Acknowledge { desk: start.desk.clone(), inflight: Arc::clone(&start.inflight), task: task.clone() };
    let wakeup = match serde_json::from_slice(&data) {
        Ok(wakeup) => wakeup,
        Err(error) => {
            tracing::error!(queue = %lane.queue, task, error = %error, "a wake-up cannot be read and is dropped");
            acknowledge.now();
            return Ok(());
        }
    };
    let (work, bell) = (Arc::clone(&lane.work), Arc::clone(&lane.bell));
    let at_hand = lane.at_hand.spawn(async move {
        work.deliver(wakeup, acknowledge).await;
        drop(place);
        // The start that waits for a place may be a later one than that which began this.
        bell.wake();
    });
    if let Err(error) = at_hand.await {
        tracing::error!(error = %error, "a lane's work ended badly");
    }
    Ok(())
}
