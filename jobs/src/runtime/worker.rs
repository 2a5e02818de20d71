//! A worker process: lanes, relay, rescuer, ticks, and how they stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use redis::aio::ConnectionManager;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::engine::Engine;
use super::lane::{Acknowledge, Bell, Deliver, House};
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
        acknowledge.now();
        if let Some(lease) = lease {
            self.engine.run(lease).await;
        }
    }
}

/// How long giving back, and saying goodbye to Redis, may take.
const GOODBYE: Duration = Duration::from_secs(1);

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

    let house = House {
        redis: redis.connection.clone(),
        keys: redis.keys.clone(),
        owner: engine.owner().to_owned(),
        at_hand: TaskTracker::new(),
        stop: stop.clone(),
    };
    let mut bells = BTreeMap::new();
    let work = Arc::new(JobWork { engine: Arc::clone(&engine), stop: stop.clone() });
    for (queue, concurrency) in &options.queues {
        let bell = Arc::new(Bell::default());
        bells.insert(redis.keys.channel(queue.as_str()), Arc::clone(&bell));
        lanes.spawn(house.lane(queue.as_str(), *concurrency, bell, Arc::clone(&work)).run());
    }
    if options.ticks > 0 {
        let bell = Arc::new(Bell::default());
        bells.insert(redis.keys.channel(ticks::QUEUE), Arc::clone(&bell));
        let ticks = Ticks::new(redis.connection.clone(), redis.keys.clone());
        let clock = Arc::clone(engine.outbox().clock());
        loops.spawn(ticks.move_due(Arc::clone(&clock), stop.clone()));
        let work = TickWork { registry: tick_registry, app: Arc::clone(engine.app()), clock };
        lanes.spawn(house.lane(ticks::QUEUE, options.ticks, bell, Arc::new(work)).run());
    }
    loops.spawn(listen(redis.client.clone(), bells, stop.clone()));

    stop.cancelled().await;
    end_work(&engine, &house.at_hand, &mut lanes, options.grace).await;
    end.cancel();
    loops.shutdown().await;
    lanes.shutdown().await;
}

/// Lets running work end, whichever start of a lane began it, and gives back what does not.
async fn end_work<App: Send + Sync + 'static>(
    engine: &Engine<App>,
    at_hand: &TaskTracker,
    lanes: &mut JoinSet<()>,
    grace: Duration,
) {
    let asked = Instant::now();
    tracing::info!(grace_ms = grace.as_millis(), "stopping: no new work, running work may end");
    at_hand.close();
    // A second is kept for giving back.
    if tokio::time::timeout(grace.saturating_sub(GOODBYE), at_hand.wait()).await.is_err() {
        tracing::warn!("running work did not end in time and is given back");
        engine.cut_running_work();
        let left = grace.saturating_sub(asked.elapsed());
        let _ = tokio::time::timeout(left, at_hand.wait()).await;
    }
    let left = grace.saturating_sub(asked.elapsed()).min(GOODBYE);
    let _ = tokio::time::timeout(left, async { while lanes.join_next().await.is_some() {} }).await;
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
