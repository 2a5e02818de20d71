//! Redis and MySQL that go away under load.

use std::time::{Duration, Instant};

use ::redis::AsyncCommands as _;
use ::redis::aio::MultiplexedConnection;
use flysk_jobs::QUEUE_HOLDS;
use flysk_suite::chaos::fleet::Fleet;
use tokio_util::sync::CancellationToken;

use crate::marks;

const GRACE: Duration = Duration::from_secs(10);

/// Where wake-ups lie until a worker takes them.
const ACTIVE: &str = "chaos:upkeep:active";

/// How often each disturbance comes.
const TIMES: u64 = 20;

/// Twenty times Redis is wiped, and twenty times killed and restarted, under load.
#[tokio::test(flavor = "multi_thread")]
async fn wiped_and_restarted_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..TIMES {
        fleet.enqueue(&marks(round * 200..round * 200 + 100, 20)).await?;
        fleet.flush_redis().await?;
        fleet.enqueue(&marks(round * 200 + 100..round * 200 + 200, 20)).await?;
        fleet.restart_redis()?;
        // Under load, and yet it gets on: of each round's jobs all but 150 are done before the next.
        let done = i64::try_from(round * 200 + 50)?;
        fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", done).await?;
    }
    fleet.check_exactly_once(usize::try_from(TIMES * 200)?).await
}

/// Twenty times Redis hangs for ten seconds under load.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..TIMES {
        fleet.enqueue(&marks(round * 100..round * 100 + 50, 50)).await?;
        let pause = fleet.pause_redis(Duration::from_secs(10));
        let load = marks(round * 100 + 50..round * 100 + 100, 50);
        tokio::try_join!(pause, fleet.enqueue(&load))?;
    }
    fleet.check_exactly_once(usize::try_from(TIMES * 100)?).await
}

/// MySQL is killed and restarted under load: who waited for it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_mysql_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..3 {
        fleet.enqueue(&marks(round * 300..round * 300 + 300, 30)).await?;
        fleet.restart_mysql()?;
    }
    fleet.check_exactly_once(900).await
}

/// Ten thousand jobs that become due in one moment are all done, and Redis never holds more than a queue may.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_due_at_once_are_done() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    fleet.enqueue(&marks(0..10_000, 0)).await?;
    let connection = fleet.redis_connection().await?;
    let ended = CancellationToken::new();
    let watching = tokio::spawn(most_waiting(connection, ended.clone()));
    fleet.start_worker(50, GRACE)?;
    fleet.start_worker(50, GRACE)?;
    fleet.check_exactly_once(10_000).await?;
    ended.cancel();
    let most = watching.await??;
    assert!((1..=QUEUE_HOLDS).contains(&most), "{most} wake-ups lay in Redis at once");
    Ok(())
}

/// How many wake-ups lay in the queue at most, looking every few milliseconds.
async fn most_waiting(
    mut connection: MultiplexedConnection,
    ended: CancellationToken,
) -> anyhow::Result<usize> {
    let mut most = 0;
    while ended.run_until_cancelled(tokio::time::sleep(Duration::from_millis(2))).await.is_some() {
        most = most.max(connection.llen(ACTIVE).await?);
    }
    Ok(most)
}

/// Wake-ups that others were given, because their worker was silent for long, and that it acknowledges after
/// all, are gone for everybody: nobody trips over what is left of them.
#[tokio::test(flavor = "multi_thread")]
async fn late_acknowledgement_leaves_no_poison() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    let worker = fleet.start_worker(20, GRACE)?;
    let mut redis = fleet.redis_connection().await?;
    // With MySQL away the worker has wake-ups in flight that it cannot claim.
    fleet.signal(worker, "STOP")?;
    fleet.enqueue(&marks(0..20, 10)).await?;
    wait_until(async || Ok(redis.llen::<_, usize>(ACTIVE).await? == 20)).await?;
    fleet.stop_mysql();
    fleet.signal(worker, "CONT")?;
    let mut redis = fleet.redis_connection().await?;
    wait_until(async || Ok(in_flight(&mut redis).await?.1.len() == 20)).await?;
    // What apalis does with the tasks of a worker that it gave up for dead.
    let (held_in, tasks) = in_flight(&mut redis).await?;
    let () = ::redis::pipe().rpush(ACTIVE, &tasks).del(held_in).query_async(&mut redis).await?;
    // And one that an earlier release left.
    let () = redis.rpush(ACTIVE, "a-task-without-data").await?;
    fleet.start_mysql()?;
    fleet.check_exactly_once(20).await?;
    let log = fleet.log(worker);
    assert!(!log.contains("starts anew"), "the lane died of it: {log}");
    Ok(())
}

/// The key of the worker's tasks in flight, and the tasks.
async fn in_flight(redis: &mut MultiplexedConnection) -> anyhow::Result<(String, Vec<String>)> {
    let keys: Vec<String> = redis.keys("chaos:upkeep:inflight:*").await?;
    let key = keys.into_iter().next().unwrap_or_default();
    let tasks = redis.smembers(&key).await?;
    Ok((key, tasks))
}

async fn wait_until(mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await? {
        anyhow::ensure!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
