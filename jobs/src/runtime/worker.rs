//! A worker process: lanes, relay, rescuer, ticks, and how they stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use redis::aio::ConnectionManager;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::lane::{Acknowledge, Bell, Deliver, Lane};
use super::relay::Relay;
use super::ticks::{self, TickRegistry, TickWork, Ticks};
use super::{backlog, engine, rescue};
use crate::policy::Queue;
use crate::wake::{Keys, Waker, Wakeup};

/// What a worker process works on.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Queues and how many jobs of each run at once.
    pub queues: BTreeMap<Queue, usize>,
    /// How many ticks run at once; none if 0.
    pub ticks: usize,
    /// How long running work may go on once the process is asked to stop.
    pub grace: Duration,
}

/// Where Redis is.
#[derive(Clone)]
pub struct RedisHandle {
    /// For commands.
    pub connection: ConnectionManager,
    /// For subscriptions, which need a connection of their own.
    pub client: redis::Client,
    /// Names of keys.
    pub keys: Keys,
}

impl std::fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisHandle").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Brings durable jobs to the engine.
struct JobWork<App> {
    engine: Arc<Engine<App>>,
    stop: CancellationToken,
}

impl<App: Send + Sync + 'static> Deliver for JobWork<App> {
    type Task = Wakeup;

    fn task_id(task: &Wakeup) -> &str {
        &task.task
    }

    /// Acknowledged as soon as the claim is durable: from then on the lease, not Redis, remembers the
    /// job. While MySQL is away the slot waits with it: there is nothing else it could do.
    async fn deliver(&self, wakeup: Wakeup, acknowledge: Acknowledge) {
        let mut pause = Duration::from_millis(50);
        let lease = loop {
            if self.stop.is_cancelled() {
                return; // stays in Redis; and MySQL knows it anyway
            }
            match self.engine.claim(wakeup.job).await {
                Ok(lease) => break lease,
                Err(error) => {
                    tracing::warn!(error = %error, "a job could not be claimed yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        };
        acknowledge.now().await;
        if let Some(lease) = lease {
            self.engine.run(lease).await;
        }
    }
}

/// Runs a worker process until `stop`, then ends within the grace time: takes no new work, lets
/// running work end, gives back what is left. Redis may be down all along.
pub async fn run<App: Send + Sync + 'static>(
    engine: Arc<Engine<App>>,
    tick_registry: TickRegistry<App>,
    redis: RedisHandle,
    options: WorkerOptions,
    stop: CancellationToken,
) {
    let mut lanes = JoinSet::new();
    let mut loops = JoinSet::new();
    // Leases are renewed until the very end, after `stop`.
    let end = CancellationToken::new();
    loops.spawn(rescue::renew_leases(Arc::clone(&engine), end.clone()));
    loops.spawn(rescue::rescue_abandoned(Arc::clone(&engine), stop.clone()));
    let relay = Relay {
        outbox: engine.outbox().clone(),
        waker: Waker::new(redis.connection.clone(), redis.keys.clone()),
        redis: redis.connection.clone(),
        keys: redis.keys.clone(),
        queues: Queue::ALL.map(|queue| queue.as_str().to_owned()).to_vec(),
    };
    loops.spawn(relay.run(stop.clone()));
    loops.spawn(backlog::watch(Arc::clone(&engine), stop.clone()));

    let mut bells = BTreeMap::new();
    let work = Arc::new(JobWork { engine: Arc::clone(&engine), stop: stop.clone() });
    for (queue, concurrency) in &options.queues {
        let bell = Arc::new(Bell::default());
        bells.insert(redis.keys.channel(queue.as_str()), Arc::clone(&bell));
        let lane = lane(&redis, queue.as_str(), engine.owner(), *concurrency, bell, Arc::clone(&work));
        lanes.spawn(lane.run(stop.clone()));
    }
    if options.ticks > 0 {
        let bell = Arc::new(Bell::default());
        bells.insert(redis.keys.channel(ticks::QUEUE), Arc::clone(&bell));
        let ticks = Ticks::new(redis.connection.clone(), redis.keys.clone());
        let clock = Arc::clone(engine.outbox().clock());
        loops.spawn(ticks.clone().move_due(Arc::clone(&clock), stop.clone()));
        let work = TickWork { registry: tick_registry, app: Arc::clone(engine.app()), ticks, clock };
        let lane = lane(&redis, ticks::QUEUE, engine.owner(), options.ticks, bell, Arc::new(work));
        lanes.spawn(lane.run(stop.clone()));
    }
    loops.spawn(listen(redis.client.clone(), bells, stop.clone()));

    stop.cancelled().await;
    let asked = Instant::now();
    tracing::info!(grace_ms = options.grace.as_millis(), "stopping: no new work, running work may end");
    // A second is kept for giving back.
    let patience = options.grace.saturating_sub(Duration::from_secs(1));
    if tokio::time::timeout(patience, join(&mut lanes)).await.is_err() {
        tracing::warn!("running work did not end in time and is given back");
        engine.cut_running_work();
        let left = options.grace.saturating_sub(asked.elapsed());
        let _ = tokio::time::timeout(left, join(&mut lanes)).await;
    }
    end.cancel();
    loops.shutdown().await;
    lanes.shutdown().await;
}

async fn join(set: &mut JoinSet<()>) {
    while set.join_next().await.is_some() {}
}

fn lane<D: Deliver>(
    redis: &RedisHandle,
    queue: &str,
    owner: &str,
    concurrency: usize,
    bell: Arc<Bell>,
    work: Arc<D>,
) -> Lane<D> {
    Lane {
        redis: redis.connection.clone(),
        keys: redis.keys.clone(),
        queue: queue.to_owned(),
        owner: owner.to_owned(),
        concurrency,
        bell,
        work,
    }
}

/// Rings the bells of queues that were pushed to. Missing a ring costs a quarter of a second.
async fn listen(client: redis::Client, bells: BTreeMap<String, Arc<Bell>>, stop: CancellationToken) {
    let channels: Vec<&String> = bells.keys().collect();
    while !stop.is_cancelled() {
        let heard = async {
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(&channels).await?;
            let mut messages = pubsub.on_message();
            while let Some(message) = messages.next().await {
                if let Some(bell) = bells.get(message.get_channel_name()) {
                    bell.ring();
                }
            }
            Ok::<(), redis::RedisError>(())
        };
        match stop.run_until_cancelled(heard).await {
            None => return,
            Some(Err(error)) => tracing::debug!(error = %error, "cannot listen for wake-ups"),
            Some(Ok(())) => {}
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(500))).await;
    }
}

/// A name for this start of this process: what leases are held by.
pub fn owner_name(host: &str) -> String {
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{host}-{}-{:08x}", std::process::id(), rand::random::<u32>())
}

pub use engine::LeaseTerms;
