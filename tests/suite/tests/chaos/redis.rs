//! Failures of Redis and MySQL under load.

use std::time::{Duration, Instant};

use ::redis::AsyncCommands as _;
use ::redis::aio::MultiplexedConnection;
use flysk_queue::{MAX_QUEUED_WAKEUPS, RedisKeys, check_redis};
use flysk_suite::chaos::fleet::Fleet;
use tokio_util::sync::CancellationToken;

use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

/// List of wake-ups that no worker has fetched yet.
const ACTIVE_QUEUE_KEY: &str = "chaos:upkeep:active";

/// Number of repetitions of each fault.
const DISTURBANCES: u64 = 20;

/// Under load, Redis is wiped 20 times, and killed and restarted 20 times.
#[tokio::test(flavor = "multi_thread")]
async fn wiped_and_restarted_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.start_worker(20, STOP_GRACE)?;
    for round in 0..DISTURBANCES {
        fleet.enqueue(&marks(round * 200..round * 200 + 100, 20)).await?;
        fleet.flush_redis().await?;
        fleet.enqueue(&marks(round * 200 + 100..round * 200 + 200, 20)).await?;
        fleet.restart_redis()?;
        // Ensures progress under load: of each round's jobs, all but 150 are done before the next round.
        let done = i64::try_from(round * 200 + 50)?;
        fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", done).await?;
    }
    fleet.check_exactly_once(usize::try_from(DISTURBANCES * 200)?).await
}

/// Redis hangs 20 times for 10 s under load.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.start_worker(20, STOP_GRACE)?;
    for round in 0..DISTURBANCES {
        fleet.enqueue(&marks(round * 100..round * 100 + 50, 50)).await?;
        let pause = fleet.pause_redis(Duration::from_secs(10));
        let load = marks(round * 100 + 50..round * 100 + 100, 50);
        tokio::try_join!(pause, fleet.enqueue(&load))?;
    }
    fleet.check_exactly_once(usize::try_from(DISTURBANCES * 100)?).await
}

/// MySQL is killed and restarted under load: waiting callers continue.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_mysql_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.start_worker(20, STOP_GRACE)?;
    for round in 0..3 {
        fleet.enqueue(&marks(round * 300..round * 300 + 300, 30)).await?;
        fleet.restart_mysql()?;
    }
    fleet.check_exactly_once(900).await
}

/// Ten thousand jobs that are due at the same time are all completed, and Redis never exceeds the limit of a
/// queue.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_due_at_once_are_done() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    fleet.enqueue(&marks(0..10_000, 0)).await?;
    let connection = fleet.redis_connection().await?;
    let ended = CancellationToken::new();
    let watching = tokio::spawn(most_waiting(connection, ended.clone()));
    fleet.start_worker(50, STOP_GRACE)?;
    fleet.start_worker(50, STOP_GRACE)?;
    fleet.check_exactly_once(10_000).await?;
    ended.cancel();
    let most = watching.await??;
    assert!((1..=MAX_QUEUED_WAKEUPS).contains(&most), "{most} wake-ups lay in Redis at once");
    Ok(())
}

/// Maximum number of queued wake-ups, sampled every few milliseconds.
async fn most_waiting(
    mut connection: MultiplexedConnection,
    ended: CancellationToken,
) -> anyhow::Result<usize> {
    let mut most = 0;
    while ended.run_until_cancelled(tokio::time::sleep(Duration::from_millis(2))).await.is_some() {
        most = most.max(connection.llen(ACTIVE_QUEUE_KEY).await?);
    }
    Ok(most)
}

/// Wake-ups of an unresponsive worker are given to others; when the worker acknowledges them after all, they are
/// removed completely, and no remains cause errors.
#[tokio::test(flavor = "multi_thread")]
async fn late_acknowledgement_leaves_no_poison() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    let worker = fleet.start_worker(20, STOP_GRACE)?;
    let mut redis = fleet.redis_connection().await?;
    // While MySQL is down the worker has wake-ups in flight that it cannot claim.
    fleet.freeze(worker)?;
    fleet.enqueue(&marks(0..20, 10)).await?;
    wait_until(async || Ok(redis.llen::<_, usize>(ACTIVE_QUEUE_KEY).await? == 20)).await?;
    fleet.stop_mysql();
    fleet.signal(worker, "CONT")?;
    let mut redis = fleet.redis_connection().await?;
    wait_until(async || Ok(in_flight(&mut redis).await?.1.len() == 20)).await?;
    // Simulates apalis, which requeues the tasks of a worker that it considers dead.
    let (held_in, tasks) = in_flight(&mut redis).await?;
    let () = ::redis::pipe().rpush(ACTIVE_QUEUE_KEY, &tasks).del(held_in).query_async(&mut redis).await?;
    // A leftover of an earlier release.
    let () = redis.rpush(ACTIVE_QUEUE_KEY, "a-task-without-data").await?;
    fleet.start_mysql()?;
    fleet.check_exactly_once(20).await?;
    let log = fleet.log(worker);
    assert!(!log.contains("lost Redis and restarts"), "the consumer died of it: {log}");
    Ok(())
}

/// A Redis that has become a replica answers, but takes no writes: it is down, as the readiness check says.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_redis_is_down() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_secs(20)).await?;
    let (mut redis, keys) = (fleet.redis_connection().await?, RedisKeys::new("chaos"));
    check_redis(&mut redis, &keys).await?;
    let () = ::redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async(&mut redis).await?;
    let () = ::redis::cmd("PING").query_async(&mut redis).await?;
    assert!(check_redis(&mut redis, &keys).await.is_err());
    let () = ::redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut redis).await?;
    check_redis(&mut redis, &keys).await?;
    Ok(())
}

/// Key of the worker's tasks in flight, and the tasks.
async fn in_flight(redis: &mut MultiplexedConnection) -> anyhow::Result<(String, Vec<String>)> {
    let keys: Vec<String> = redis.keys("chaos:upkeep:inflight:*").await?;
    let key = keys.into_iter().next().unwrap_or_default();
    let tasks = redis.smembers(&key).await?;
    Ok((key, tasks))
}

async fn wait_until(mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !holds().await? {
        anyhow::ensure!(Instant::now() < deadline, "timed out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
