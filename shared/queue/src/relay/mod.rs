//! Relay: pushes wake-ups of due rows from MySQL to Redis.

mod epoch;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_store::jobs::{self, DueJob, WaitingJob};
use flysk_store::{StoreResult, answered, repeat_contended};
use tokio_util::sync::CancellationToken;

use self::epoch::EpochCheck;
use crate::connection::RedisConnection;
use crate::due_selector::DueSelector;
use crate::outbox::Outbox;
use crate::transport::{MAX_QUEUED_WAKEUPS, QueueNotifier, RedisKeys, WakeupMessage};

/// Interval of polls for due rows, and of checks of the epoch.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Pause after a turn if more waits than Redis took: workers may empty a full queue in a twentieth of a second. It doubles
/// while they do not.
const BUSY_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A wake-up whose job was not claimed within this time is pushed again; that has no effect if it still waits in Redis.
const REPUSH_AFTER: Duration = Duration::from_secs(30);

/// Rows per statement.
const PUSH_BATCH_SIZE: usize = 500;

/// A queue with less free capacity in Redis than this is not refilled, because it has enough work until the next poll.
const MIN_FREE_CAPACITY: usize = MAX_QUEUED_WAKEUPS / 2;

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

/// Result of a relay's poll.
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
            Self::Full => (2 * last).clamp(BUSY_POLL_INTERVAL, POLL_INTERVAL),
            Self::Backlog => BUSY_POLL_INTERVAL,
        }
    }
}

impl Relay {
    /// Runs until `stop`. A poll is not interrupted then: jobs that are marked as pushed and not in Redis would wait until they
    /// are pushed again.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut check, mut pause) = (EpochCheck::default(), Duration::ZERO);
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = match Box::pin(self.poll(&mut check, &stop)).await {
                Ok(found) => found.next_pause(pause),
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
        stop: &CancellationToken,
    ) -> Result<PollResult, RelayError> {
        self.check_epoch(check).await?;
        let (is_mine, free) = self.notifier.take_turn(&self.name, &self.queues, MIN_FREE_CAPACITY).await?;
        let is_full = free.iter().any(|free| *free < MIN_FREE_CAPACITY);
        let otherwise = if is_full { PollResult::Full } else { PollResult::Nothing };
        if !is_mine {
            return Ok(otherwise);
        }
        let refilled = self.refill(&free, stop).await;
        // Otherwise the others would wait until the turn ends by itself.
        if let Err(error) = self.notifier.end_turn(&self.name).await {
            tracing::debug!(error = %error, "failed to end a relay's turn");
        }
        Ok(if refilled? { PollResult::Backlog } else { otherwise })
    }

    /// Refills queues with enough free capacity, until `stop`. Returns whether more waits for one of them.
    async fn refill(&mut self, free: &[usize], stop: &CancellationToken) -> Result<bool, RelayError> {
        let mut more_wait = false;
        let queues = self.queues.iter().map(String::as_str);
        let mut open: Vec<(&str, usize)> =
            queues.zip(free.iter().copied()).filter(|(_, free)| *free >= MIN_FREE_CAPACITY).collect();
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
                if self.push_batch(&due, now).await? < max {
                    continue;
                }
                more_wait = true;
                if left >= MIN_FREE_CAPACITY {
                    still_open.push((queue, left));
                }
            }
            open = still_open;
        }
        Ok(more_wait)
    }

    /// Pushes the jobs that no other relay takes, in their order; returns their number.
    async fn push_batch(&self, due: &[WaitingJob], now: DateTime<Utc>) -> Result<usize, RelayError> {
        if due.is_empty() {
            return Ok(0);
        }
        let ids: Vec<JobId> = due.iter().map(|job| job.id).collect();
        let mark = || async {
            let mut tx = self.outbox.pool().begin().await?;
            let mine = jobs::mark_pushed(&mut tx, &ids, now, now + REPUSH_AFTER).await?;
            tx.commit().await?;
            StoreResult::Ok(mine)
        };
        let mine: BTreeMap<JobId, DueJob> =
            repeat_contended(|| answered(mark())).await?.into_iter().map(|job| (job.id, job)).collect();
        let wakeups: Vec<WakeupMessage> =
            ids.iter().filter_map(|id| mine.get(id)).map(WakeupMessage::from).collect();
        let refused = match self.notifier.push(&wakeups).await {
            Ok(refused) => refused,
            Err(error) => {
                // The result is unknown, and pushing again is harmless.
                let unsure: Vec<JobId> = mine.into_keys().collect();
                self.defer(&unsure, now).await?;
                return Err(error.into());
            }
        };
        self.defer(&refused, now).await?;
        Ok(wakeups.len() - refused.len())
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

    impl Gate {
        /// Returns the URL of this way to the Redis of the tests.
        #[expect(clippy::disallowed_methods, reason = "the variable names the Redis of the tests")]
        async fn open(self: &Arc<Self>) -> String {
            let redis = redis::parse_redis_url(&std::env::var("REDIS_URL").unwrap()).unwrap();
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

    /// Whether a request calls the script of pushes, the only one with three keys.
    fn is_push(request: &[u8]) -> bool {
        let request = String::from_utf8_lossy(request);
        request.contains("EVALSHA") && request.contains("\r\n$1\r\n3\r\n")
    }

    /// A job that is marked as pushed and not in Redis would wait for half a minute.
    #[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
    async fn a_relay_that_is_stopped_ends_its_push(pool: MySqlPool) {
        let gate = Arc::new(Gate::default());
        let address = gate.open().await;
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        insert_job(&pool, &clock, "test.work", clock.now()).await;
        let (redis, keys) =
            (connect_redis(&address).await.unwrap(), RedisKeys::new(format!("relay-{}", std::process::id())));
        let relay = Relay {
            outbox: Outbox::new(pool, None, Arc::new(clock)),
            notifier: QueueNotifier::new(redis.clone(), keys.clone()),
            redis,
            keys,
            name: "test".to_owned(),
            queues: vec!["test".to_owned()],
            selector: DueSelector::default(),
        };
        let stop = CancellationToken::new();
        let mut running = tokio::spawn(relay.run(stop.clone()));
        gate.push_begun.notified().await;
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut running).await;
        assert!(ended.is_err(), "the relay has dropped its push");
        gate.may_go_on.notify_one();
        running.await.unwrap();
    }

    #[test]
    fn a_relay_polls_often_while_workers_empty_a_full_queue_and_seldom_while_they_do_not() {
        let after =
            |result: PollResult, last_ms: u64| result.next_pause(Duration::from_millis(last_ms)).as_millis();
        assert_eq!((after(PollResult::Nothing, 10), after(PollResult::Backlog, 250)), (250, 10));
        let mut pause = BUSY_POLL_INTERVAL;
        let pauses: Vec<u128> = std::iter::repeat_with(|| {
            pause = PollResult::Full.next_pause(pause);
            pause.as_millis()
        })
        .take(6)
        .collect();
        assert_eq!(pauses, [20, 40, 80, 160, 250, 250]);
        assert_eq!(after(PollResult::Full, 0), 10, "at the start");
    }
}
