//! A worker process: consumers, relay, rescuer, ephemeral jobs, shutdown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flysk_domain::{Randomness as _, SystemRandomness};
use futures::StreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::RedisConnection;
use crate::consumer::{Capacity, ConsumerContext, WakeSignal};
use crate::delivery::JobDelivery;
use crate::due_selector::DueSelector;
use crate::ephemeral::{self, EphemeralDelivery, EphemeralQueue, EphemeralRegistry};
use crate::executor::Executor;
use crate::queue_name::QueueName;
use crate::relay::Relay;
use crate::transport::{QueueNotifier, RedisKeys};
use crate::{queue_depth, rescue};

/// Work of a worker process.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// All queues of the product; the relay of each process pushes for all of them.
    pub all_queues: Vec<QueueName>,
    /// Queues of this process, with the number of concurrent jobs.
    pub queues: BTreeMap<QueueName, usize>,
    /// Number of concurrent ephemeral jobs; 0: none.
    pub ephemeral: usize,
    /// Time that running work may take after shutdown began.
    pub grace: Duration,
}

/// Access to Redis.
#[derive(Clone)]
pub struct RedisHandle {
    /// Connection for commands; opens those for subscriptions.
    pub connection: RedisConnection,
    /// Names of keys.
    pub keys: RedisKeys,
}

impl std::fmt::Debug for RedisHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisHandle").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Part of the grace period reserved for releasing jobs and unregistering from Redis.
const SHUTDOWN_RESERVE: Duration = Duration::from_secs(1);

/// Runs a worker process until `stop`, then ends within the grace period: it takes no new work, lets running work
/// finish and releases the rest. Works without Redis too.
pub async fn run<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    ephemeral_registry: EphemeralRegistry<App>,
    redis: RedisHandle,
    options: WorkerOptions,
    stop: CancellationToken,
) {
    let mut consumers = JoinSet::new();
    let mut loops = JoinSet::new();
    // Leases are renewed during shutdown too.
    let end = CancellationToken::new();
    loops.spawn(rescue::renew_leases(Arc::clone(&executor), end.clone()));
    loops.spawn(rescue::rescue_abandoned(Arc::clone(&executor), stop.clone()));
    loops.spawn(create_relay(&executor, &redis, &options.all_queues).run(stop.clone()));
    loops.spawn(queue_depth::record_periodically(Arc::clone(&executor), stop.clone()));

    let context = ConsumerContext {
        redis: redis.connection.clone(),
        keys: redis.keys.clone(),
        owner: executor.owner().to_owned(),
        in_progress: TaskTracker::new(),
        stop: stop.clone(),
    };
    let mut wake_signals = BTreeMap::new();
    for (queue, &concurrency) in &options.queues {
        let wake_signal = Arc::new(WakeSignal::default());
        wake_signals.insert(redis.keys.channel(queue.as_str()), Arc::clone(&wake_signal));
        let capacity = Capacity::with_lookahead(concurrency);
        let work = Arc::new(JobDelivery::new(Arc::clone(&executor), concurrency, stop.clone()));
        consumers.spawn(context.consumer(queue.as_str(), capacity, wake_signal, work).run());
    }
    if options.ephemeral > 0 {
        let wake_signal = Arc::new(WakeSignal::default());
        wake_signals.insert(redis.keys.channel(ephemeral::QUEUE_NAME), Arc::clone(&wake_signal));
        let ephemeral = EphemeralQueue::new(redis.connection.clone(), redis.keys.clone());
        let clock = Arc::clone(executor.outbox().clock());
        loops.spawn(ephemeral.move_due(Arc::clone(&clock), stop.clone()));
        let work = EphemeralDelivery { registry: ephemeral_registry, app: Arc::clone(executor.app()), clock };
        let capacity = Capacity::without_lookahead(options.ephemeral);
        consumers.spawn(context.consumer(ephemeral::QUEUE_NAME, capacity, wake_signal, Arc::new(work)).run());
    }
    loops.spawn(listen(redis.connection.clone(), wake_signals, stop.clone()));

    stop.cancelled().await;
    let asked = Instant::now();
    drain(&executor, &context.in_progress, &mut consumers, options.grace).await;
    end.cancel();
    // The loops end what they are writing, above all a relay its push.
    let left = options.grace.saturating_sub(asked.elapsed()).min(SHUTDOWN_RESERVE);
    let _ = tokio::time::timeout(left, async { while loops.join_next().await.is_some() {} }).await;
    loops.shutdown().await;
    consumers.shutdown().await;
}

/// The relay of this process, which pushes for all queues of the product.
fn create_relay<App: Send + Sync + 'static>(
    executor: &Executor<App>,
    redis: &RedisHandle,
    all_queues: &[QueueName],
) -> Relay {
    Relay {
        outbox: executor.outbox().clone(),
        notifier: QueueNotifier::new(redis.connection.clone(), redis.keys.clone()),
        redis: redis.connection.clone(),
        keys: redis.keys.clone(),
        name: executor.owner().to_owned(),
        queues: all_queues.iter().map(|queue| queue.as_str().to_owned()).collect(),
        selector: DueSelector::default(),
    }
}

/// Lets running work of all consumers finish, and releases work that does not.
async fn drain<App: Send + Sync + 'static>(
    executor: &Executor<App>,
    in_progress: &TaskTracker,
    consumers: &mut JoinSet<()>,
    grace: Duration,
) {
    let asked = Instant::now();
    tracing::info!(grace_ms = grace.as_millis(), "stopping: no new work, running work may finish");
    in_progress.close();
    // Time is reserved for releasing jobs.
    if tokio::time::timeout(grace.saturating_sub(SHUTDOWN_RESERVE), in_progress.wait()).await.is_err() {
        tracing::warn!("running work did not finish in time and is released");
        executor.abort_running();
        let left = grace.saturating_sub(asked.elapsed());
        let _ = tokio::time::timeout(left, in_progress.wait()).await;
    }
    let left = grace.saturating_sub(asked.elapsed()).min(SHUTDOWN_RESERVE);
    let _ = tokio::time::timeout(left, async { while consumers.join_next().await.is_some() {} }).await;
}

/// Wakes the consumers of queues after a push. A missed signal costs up to 250 ms.
async fn listen(
    redis: RedisConnection,
    wake_signals: BTreeMap<String, Arc<WakeSignal>>,
    stop: CancellationToken,
) {
    let channels: Vec<String> = wake_signals.keys().cloned().collect();
    while !stop.is_cancelled() {
        let mut replacements = redis.replacements();
        let listened = async {
            let mut pubsub = redis.subscribe(&channels).await?;
            let mut messages = pubsub.on_message();
            loop {
                let message = tokio::select! {
                    message = messages.next() => message,
                    // The subscription may lead to a server that is not the primary any more.
                    _ = replacements.changed() => None,
                };
                let Some(message) = message else { return Ok::<(), redis::RedisError>(()) };
                if let Some(wake_signal) = wake_signals.get(message.get_channel_name()) {
                    wake_signal.notify();
                }
            }
        };
        match stop.run_until_cancelled(listened).await {
            None => return,
            Some(Err(error)) => tracing::debug!(error = %error, "failed to listen for wake-ups"),
            Some(Ok(())) => {}
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(500))).await;
    }
}

/// Unique name for this start of the process, which holds leases.
pub fn owner_name(host: &str) -> String {
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{host}-{}-{:08x}", std::process::id(), SystemRandomness.random_u128() >> 96)
}

pub use crate::executor::LeaseConfig;
