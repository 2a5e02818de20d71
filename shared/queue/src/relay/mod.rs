//! Relay: pushes wake-ups of due rows from MySQL to Redis.

mod epoch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_store::jobs::{self, DueJob, WaitingJob};
use flysk_store::{StoreResult, answered, repeat_contended};
use tokio_util::sync::CancellationToken;

use self::epoch::EpochCheck;
use crate::connection::RedisConnection;
use crate::due_selector::DueSelector;
use crate::outbox::Outbox;
use crate::transport::{Pusher, QueueNotifier, RedisKeys, WakeupMessage};

/// Interval of polls for due rows, and of checks of the epoch.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Pause after a turn if more waits than Redis took: a queue of unknown pace holds little. It doubles while workers do not take
/// that, up to [`FULL_POLL_INTERVAL`].
const BUSY_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Longest pause while a queue is full. Workers take half of what it holds in more than twice this time. Until [`POLL_INTERVAL`]
/// has passed, only such queues are polled: the database is read when one of them has free capacity.
const FULL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A wake-up whose job was not claimed within this time is pushed again; that has no effect if it still waits in Redis.
const REPUSH_AFTER: Duration = Duration::from_secs(30);

/// Rows per statement.
const PUSH_BATCH_SIZE: usize = 500;

/// Any number of relays may run: rows are locked with `FOR UPDATE SKIP LOCKED`. They take turns, because several that push
/// the same backlog together do the work of one.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) outbox: Outbox,
    pub(super) notifier: QueueNotifier,
    pub(super) redis: RedisConnection,
    pub(super) keys: RedisKeys,
    /// Unique to this process start.
    pub(super) name: String,
    pub(super) queues: Vec<String>,
    pub(super) selector: DueSelector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollResult {
    /// Redis has all that is due, as far as this relay knows.
    Nothing,
    /// A queue is full in Redis.
    Full,
    /// A queue was refilled, and more waits for it.
    Backlog,
}

impl PollResult {
    /// Pause before the next poll.
    fn next_pause(self, last: Duration) -> Duration {
        match self {
            Self::Nothing => POLL_INTERVAL,
            Self::Full => (2 * last).clamp(BUSY_POLL_INTERVAL, FULL_POLL_INTERVAL),
            Self::Backlog => BUSY_POLL_INTERVAL,
        }
    }
}

/// Numbers of a batch's jobs.
#[derive(Debug, Clone, Copy, Default)]
struct PushedBatch {
    pushed: usize,
    /// The queue had no capacity for them any more.
    refused: usize,
}

/// What a relay knows since it polled all queues.
#[derive(Debug, Default)]
struct KnownQueues {
    polled_at: Option<Instant>,
    /// Those that were full, or for which more waited.
    busy: Vec<String>,
}

impl KnownQueues {
    /// Queues to poll now: all of them once per [`POLL_INTERVAL`], otherwise the busy ones.
    fn choose(&mut self, all: &[String], now: Instant) -> Vec<String> {
        if self.polled_at.is_some_and(|at| now.saturating_duration_since(at) < POLL_INTERVAL) {
            return std::mem::take(&mut self.busy);
        }
        self.polled_at = Some(now);
        all.to_vec()
    }

    /// A pause that ends when all queues are to be polled.
    fn shorten(&self, pause: Duration, now: Instant) -> Duration {
        let left = |at: Instant| POLL_INTERVAL.saturating_sub(now.saturating_duration_since(at));
        self.polled_at.map_or(pause, |at| pause.min(left(at)))
    }
}

impl Relay {
    /// Runs until `stop`. A poll is not interrupted then: jobs that are marked as pushed and not in Redis would wait until they
    /// are pushed again.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut check, mut known) = (EpochCheck::default(), KnownQueues::default());
        let mut pause = Duration::ZERO;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = match Box::pin(self.poll(&mut check, &mut known, &stop)).await {
                Ok(found) => known.shorten(found.next_pause(pause), Instant::now()),
                Err(error) => {
                    tracing::warn!(error = %error, "relay failed to push wake-ups");
                    POLL_INTERVAL
                }
            };
        }
    }

    /// Pushes what is due, unless another relay does.
    async fn poll(
        &mut self,
        check: &mut EpochCheck,
        known: &mut KnownQueues,
        stop: &CancellationToken,
    ) -> Result<PollResult, RelayError> {
        self.check_epoch(check).await?;
        let queues = known.choose(&self.queues, Instant::now());
        let (is_mine, free) = self.notifier.take_turn(&self.name, &queues).await?;
        let otherwise = if free.contains(&0) { PollResult::Full } else { PollResult::Nothing };
        let full = queues.iter().zip(&free).filter(|(_, free)| **free == 0);
        known.busy = full.map(|(queue, _)| queue.clone()).collect();
        if !is_mine {
            // The relay whose turn it is may know of no other queues than the busy ones.
            known.polled_at = None;
            return Ok(otherwise);
        }
        let refilled = self.refill(&queues, &free, stop).await;
        // Otherwise the others would wait until the turn ends by itself.
        if let Err(error) = self.notifier.end_turn(&self.name).await {
            tracing::debug!(error = %error, "failed to end a relay's turn");
        }
        let more_wait = refilled?;
        let result = if more_wait.is_empty() { otherwise } else { PollResult::Backlog };
        known.busy.extend(more_wait);
        Ok(result)
    }

    /// Refills those of `queues` with free capacity, until `stop`. Returns the ones for which more waits.
    async fn refill(
        &mut self,
        queues: &[String],
        free: &[usize],
        stop: &CancellationToken,
    ) -> Result<BTreeSet<String>, RelayError> {
        let mut more_wait = BTreeSet::new();
        let queues = queues.iter().map(String::as_str);
        let mut open: Vec<(&str, usize)> =
            queues.zip(free.iter().copied()).filter(|(_, free)| *free > 0).collect();
        while !open.is_empty() && !stop.is_cancelled() {
            let now = self.outbox.clock().now();
            let wanted: Vec<(&str, usize)> =
                open.iter().map(|(queue, free)| (*queue, (*free).min(PUSH_BATCH_SIZE))).collect();
            let (pool, selector) = (self.outbox.pool(), &mut self.selector);
            let selecting = async { selector.select(&mut *pool.acquire().await?, &wanted, now).await };
            let selected = answered(selecting).await?;
            let mut still_open = Vec::new();
            for ((queue, free), due) in open.into_iter().zip(selected) {
                let max = free.min(PUSH_BATCH_SIZE);
                let left = free - max;
                let batch = self.push_batch(&due, now).await?;
                if batch.pushed < max && batch.refused == 0 {
                    continue;
                }
                more_wait.insert(queue.to_owned());
                // The capacity for those that were refused was taken meanwhile, by processes that enqueue.
                if batch.refused == 0 && left >= PUSH_BATCH_SIZE / 2 {
                    still_open.push((queue, left));
                }
            }
            open = still_open;
        }
        Ok(more_wait)
    }

    /// Pushes the jobs that no other relay takes, in their order.
    async fn push_batch(&self, due: &[WaitingJob], now: DateTime<Utc>) -> Result<PushedBatch, RelayError> {
        if due.is_empty() {
            return Ok(PushedBatch::default());
        }
        let ids: Vec<JobId> = due.iter().map(|job| job.id).collect();
        let mark = || async {
            let mut tx = flysk_store::begin(self.outbox.pool()).await?;
            let mine = jobs::mark_pushed(&mut tx, &ids, now, now + REPUSH_AFTER).await?;
            tx.commit().await?;
            StoreResult::Ok(mine)
        };
        let mine: BTreeMap<JobId, DueJob> =
            repeat_contended(|| answered(mark())).await?.into_iter().map(|job| (job.id, job)).collect();
        let wakeups: Vec<WakeupMessage> =
            ids.iter().filter_map(|id| mine.get(id)).map(WakeupMessage::from).collect();
        let refused = match self.notifier.push(&wakeups, Pusher::Relay).await {
            Ok(refused) => refused,
            Err(error) => {
                // The result is unknown, and pushing again is harmless.
                let unsure: Vec<JobId> = mine.into_keys().collect();
                self.defer(&unsure, now).await?;
                return Err(error.into());
            }
        };
        self.defer(&refused, now).await?;
        Ok(PushedBatch { pushed: wakeups.len() - refused.len(), refused: refused.len() })
    }

    /// Leaves jobs to the next turn of any relay.
    async fn defer(&self, ids: &[JobId], at: DateTime<Utc>) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let defer = || async { jobs::defer_push(&mut *self.outbox.pool().acquire().await?, ids, at).await };
        repeat_contended(|| answered(defer())).await
    }
}

/// MySQL or Redis is unavailable.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("{0}")]
    Store(#[from] flysk_store::StoreError),
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use flysk_domain::{Clock as _, ManualClock};
    use sqlx::MySqlPool;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;

    use super::*;
    use crate::connection::connect_redis;
    use crate::job_fixture::insert_job;

    /// A way to Redis on which the first push waits until it may go on.
    #[derive(Default)]
    struct Gate {
        was_closed: AtomicBool,
        push_begun: Notify,
        may_go_on: Notify,
    }

    #[expect(clippy::disallowed_methods, reason = "the variable names the Redis of the tests")]
    fn redis_url() -> String {
        std::env::var("REDIS_URL").unwrap()
    }

    impl Gate {
        /// Returns the URL of this way to the Redis of the tests.
        async fn open(self: &Arc<Self>) -> String {
            let redis = redis::parse_redis_url(&redis_url()).unwrap();
            let redis = format!("{}:{}", redis.host_str().unwrap(), redis.port().unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let gate = Arc::clone(self);
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(&redis).await.unwrap();
                    let gate = Arc::clone(&gate);
                    tokio::spawn(async move { gate.forward(client, server).await });
                }
            });
            format!("redis://{address}")
        }

        async fn forward(&self, client: TcpStream, server: TcpStream) {
            let ((mut requests, mut client), (mut answers, mut server)) =
                (client.into_split(), server.into_split());
            let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut client).await });
            let mut part = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = requests.read(&mut part).await {
                if is_push(&part[..length]) && !self.was_closed.swap(true, Ordering::SeqCst) {
                    self.push_begun.notify_one();
                    self.may_go_on.notified().await;
                }
                server.write_all(&part[..length]).await.unwrap();
            }
            back.abort();
        }
    }

    /// Whether a request calls the script of pushes, the only one with four keys.
    fn is_push(request: &[u8]) -> bool {
        let request = String::from_utf8_lossy(request);
        request.contains("EVALSHA") && request.contains("\r\n$1\r\n4\r\n")
    }

    /// A relay of the queue `test`. `name` is unique among the tests.
    async fn relay(pool: MySqlPool, clock: ManualClock, redis_url: &str, name: &str) -> Relay {
        let redis = connect_redis(redis_url).await.unwrap();
        let keys = RedisKeys::new(format!("{name}-{}", std::process::id()));
        Relay {
            outbox: Outbox::new(pool, None, Arc::new(clock)),
            notifier: QueueNotifier::new(redis.clone(), keys.clone()),
            redis,
            keys,
            name: "test".to_owned(),
            queues: vec!["test".to_owned()],
            selector: DueSelector::default(),
        }
    }

    /// Otherwise the relay would sleep, and the queue could run dry: processes that enqueue may take capacity after the relay has asked
    /// how many there are.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn wakeups_that_redis_has_no_capacity_for_are_a_backlog(pool: MySqlPool) {
        const JOBS: usize = 300;
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        for _ in 0..JOBS {
            insert_job(&pool, &clock, "test.work", clock.now()).await;
        }
        let mut relay = relay(pool.clone(), clock.clone(), &redis_url(), "relay-refused").await;
        let queues = relay.queues.clone();
        let more_wait = relay.refill(&queues, &[JOBS], &CancellationToken::new()).await.unwrap();
        assert!(more_wait.contains("test"));
        let mut conn = pool.acquire().await.unwrap();
        let due = jobs::list_due(&mut conn, clock.now(), 1_000).await.unwrap().len();
        assert!((1..JOBS).contains(&due), "{due} jobs wait in MySQL");
    }

    /// A job that is marked as pushed and not in Redis would wait for half a minute.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_relay_that_is_stopped_ends_its_push(pool: MySqlPool) {
        let gate = Arc::new(Gate::default());
        let address = gate.open().await;
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        insert_job(&pool, &clock, "test.work", clock.now()).await;
        let relay = relay(pool, clock, &address, "relay-stop").await;
        let stop = CancellationToken::new();
        let mut running = tokio::spawn(relay.run(stop.clone()));
        gate.push_begun.notified().await;
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
        assert!(ended.is_err(), "the relay has dropped its push");
        gate.may_go_on.notify_one();
        running.await.unwrap();
    }

    /// Otherwise a slow queue that is full would have the database read 20 times per second.
    #[test]
    fn between_two_polls_of_all_queues_only_the_busy_ones_are_polled() {
        let all = ["audio", "calls"].map(str::to_owned);
        let (mut known, began) = (KnownQueues::default(), Instant::now());
        assert_eq!(known.choose(&all, began), all);
        known.busy = vec!["audio".to_owned()];
        assert_eq!(known.choose(&all, began + FULL_POLL_INTERVAL), ["audio"]);
        let left = known.shorten(POLL_INTERVAL, began + FULL_POLL_INTERVAL);
        assert_eq!(left + FULL_POLL_INTERVAL, POLL_INTERVAL);
        assert_eq!(known.choose(&all, began + POLL_INTERVAL), all);
    }

    #[test]
    fn a_relay_polls_often_while_workers_empty_a_full_queue_and_seldom_while_they_do_not() {
        let after =
            |result: PollResult, last_ms: u64| result.next_pause(Duration::from_millis(last_ms)).as_millis();
        assert_eq!((after(PollResult::Nothing, 10), after(PollResult::Backlog, 250)), (250, 1));
        let mut pause = BUSY_POLL_INTERVAL;
        let pauses: Vec<u128> = std::iter::repeat_with(|| {
            pause = PollResult::Full.next_pause(pause);
            pause.as_millis()
        })
        .take(7)
        .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 50, 50]);
        assert_eq!(after(PollResult::Full, 0), 1, "at the start");
    }
}
