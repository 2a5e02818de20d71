//! Lanes: apalis workers that bring wake-ups from Redis. The only file that names apalis' workers.
//!
//! apalis-redis 1.0 is used in the one profile in which it neither loses nor stalls: batches of one,
//! no locks, results or events of its own, a poll strategy and an acknowledgement of ours, a fresh
//! name for every start, and a loop around it all, because any error of Redis ends a worker.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apalis::prelude::{
    BackendExt, BoxDynError, Data, Monitor, PollSnapshot, PollStrategy, WorkerBuilder, WorkerBuilderExt as _,
    WorkerContext,
};
use apalis_redis::{Config, RedisStorage};
use futures::task::AtomicWaker;
use redis::aio::ConnectionManager;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::wake::Keys;

/// How often an idle lane looks without being rung for.
const IDLE: Duration = Duration::from_millis(250);
/// After a ring the lane looks quickly for a moment: a fetch that was under way when the bell rang
/// may have missed what it rang for.
const QUICK: Duration = Duration::from_millis(5);
const QUICK_FOR: Duration = Duration::from_millis(40);

/// Wakes a lane when something was pushed to its queue.
#[derive(Debug)]
pub(super) struct Bell {
    waker: AtomicWaker,
    made: Instant,
    rung_ms: AtomicU64,
}

impl Default for Bell {
    fn default() -> Self {
        Self { waker: AtomicWaker::new(), made: Instant::now(), rung_ms: AtomicU64::new(0) }
    }
}

impl Bell {
    /// Something was pushed.
    pub(super) fn ring(&self) {
        self.rung_ms.store(self.elapsed_ms().max(1), Ordering::SeqCst);
        self.waker.wake();
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn rang_lately(&self) -> bool {
        let rung = self.rung_ms.load(Ordering::SeqCst);
        let quick_for = u64::try_from(QUICK_FOR.as_millis()).unwrap_or(u64::MAX);
        rung > 0 && self.elapsed_ms().saturating_sub(rung) <= quick_for
    }
}

/// Looks when the bell rings, and every [`IDLE`] in case it did not.
struct Heed {
    bell: Arc<Bell>,
    idle: Interval,
    quick: Interval,
}

impl Heed {
    fn new(bell: Arc<Bell>) -> Self {
        let every = |period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self { bell, idle: every(IDLE), quick: every(QUICK) }
    }
}

impl PollStrategy for Heed {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        self.bell.waker.register(cx.waker());
        let mut due = false;
        // An interval wakes us only if it was polled to `Pending`: apalis' own strategy forgets that and stalls.
        while self.idle.poll_tick(cx).is_ready() {
            due = true;
        }
        if self.bell.rang_lately() {
            while self.quick.poll_tick(cx).is_ready() {
                due = true;
            }
        }
        if due { Poll::Ready(Some(())) } else { Poll::Pending }
    }
}

/// What a lane does with each wake-up.
pub(super) trait Deliver: Send + Sync + 'static {
    /// What lies in Redis.
    type Task: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static;

    /// The id under which it lies there.
    fn task_id(task: &Self::Task) -> &str;

    /// Works on it; `acknowledge` removes it from Redis.
    fn deliver(&self, task: Self::Task, acknowledge: Acknowledge) -> impl Future<Output = ()> + Send;
}

/// Removes one wake-up from Redis.
pub(super) struct Acknowledge {
    redis: ConnectionManager,
    config: Config,
    inflight: String,
    task: String,
}

impl Acknowledge {
    /// Tries a few times; what remains is redelivered and finds nothing to do.
    pub(super) async fn now(mut self) {
        for pause_ms in [20, 100, 500, 2_000] {
            let removed: Result<(), _> = redis::pipe()
                .atomic()
                .srem(&self.inflight, &self.task)
                .hdel(self.config.job_data_hash(), &self.task)
                .del(format!("{}:{}", self.config.job_meta_hash(), self.task))
                .query_async(&mut self.redis)
                .await;
            match removed {
                Ok(()) => return,
                Err(error) => tracing::debug!(error = %error, "a wake-up could not be acknowledged yet"),
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}

/// One queue's worker.
pub(super) struct Lane<D> {
    pub(super) redis: ConnectionManager,
    pub(super) keys: Keys,
    pub(super) queue: String,
    pub(super) owner: String,
    pub(super) concurrency: usize,
    pub(super) bell: Arc<Bell>,
    pub(super) work: Arc<D>,
}

impl<D> Clone for Lane<D> {
    fn clone(&self) -> Self {
        Self {
            redis: self.redis.clone(),
            keys: self.keys.clone(),
            queue: self.queue.clone(),
            owner: self.owner.clone(),
            concurrency: self.concurrency,
            bell: Arc::clone(&self.bell),
            work: Arc::clone(&self.work),
        }
    }
}

impl<D: Deliver> Lane<D> {
    fn config(&self) -> Config {
        self.keys
            .queue(&self.queue)
            .batch_size(1)
            .heartbeat_interval(Duration::from_secs(5))
            .missed_heartbeats(6)
            .lock_tasks(false)
            .persist_results(false)
            .emit_events(false)
    }

    /// Runs until `stop`, starting the worker anew whenever Redis ends it.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut starts = 0_u32;
        let mut pause = Duration::from_millis(100);
        while !stop.is_cancelled() {
            let name = format!("{}-{}-{starts}", self.queue, self.owner);
            let began = Instant::now();
            self.run_worker(&name, &stop).await;
            self.forget_worker(&name).await;
            if stop.is_cancelled() {
                return;
            }
            if began.elapsed() > Duration::from_secs(30) {
                pause = Duration::from_millis(100);
            }
            tracing::warn!(queue = %self.queue, retry_in_ms = pause.as_millis(), "the lane lost Redis and starts anew");
            let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            starts += 1;
        }
    }

    async fn run_worker(&self, name: &str, stop: &CancellationToken) {
        let (lane, name) = (self.clone(), name.to_owned());
        let monitor = Monitor::new().register(move |_| {
            let storage = RedisStorage::<D::Task>::new(lane.redis.clone()).with_config(lane.config());
            WorkerBuilder::new(name.as_str())
                .backend(storage.poll_with_strategy(Heed::new(Arc::clone(&lane.bell))))
                .data(lane.clone())
                .concurrency(lane.concurrency)
                .catch_panic()
                .build(on_task::<D>)
        });
        let context = monitor.context();
        let running = monitor.run();
        tokio::pin!(running);
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            () = stop.cancelled() => None,
        };
        match ended {
            Some(Err(error)) => tracing::debug!(queue = %self.queue, error = ?error, "worker ended"),
            Some(Ok(())) => {}
            None => {
                let _ = context.shutdown();
                // What runs ends within the engine's grace; with Redis down the goodbye itself may hang.
                let _ = running.await;
            }
        }
    }

    /// apalis leaves the names of its workers behind; ours are unique and would pile up.
    async fn forget_worker(&self, name: &str) {
        let context = WorkerContext::new(name);
        let config = self.config();
        let forget = async {
            let mut redis = self.redis.clone();
            let left: usize =
                redis::cmd("SCARD").arg(config.inflight_set_for(&context)).query_async(&mut redis).await?;
            let mut pipe = redis::pipe();
            pipe.del(config.worker_metadata_key(&context)).ignore();
            if left == 0 {
                // Otherwise another worker takes what is in flight once this name counts as silent.
                pipe.zrem(config.workers_set(), name).ignore();
            }
            pipe.query_async::<()>(&mut redis).await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), forget).await;
    }
}

/// The apalis handler. The work runs in a task of its own: when Redis ends the worker, apalis drops
/// this future, and the work goes on under its lease.
async fn on_task<D: Deliver>(
    task: D::Task,
    worker: WorkerContext,
    lane: Data<Lane<D>>,
) -> Result<(), BoxDynError> {
    let config = lane.config();
    let acknowledge = Acknowledge {
        redis: lane.redis.clone(),
        inflight: config.inflight_set_for(&worker),
        task: D::task_id(&task).to_owned(),
        config,
    };
    let work = Arc::clone(&lane.work);
    if let Err(error) = tokio::spawn(async move { work.deliver(task, acknowledge).await }).await {
        tracing::error!(error = %error, "a lane's work ended badly");
    }
    Ok(())
}
