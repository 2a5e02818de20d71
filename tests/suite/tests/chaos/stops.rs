//! Workers that are asked to stop.

use std::time::Duration;

use flysk_suite::chaos::fleet::Fleet;

use crate::marks;

/// SIGTERM with work in flight that ends within the grace time: it ends, and nothing new is taken.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_ends_what_it_holds() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.enqueue(&marks(0..60, 1_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    let (took, well) = fleet.terminate(worker)?;
    assert!(well && took < Duration::from_secs(10), "took {took:?}, ended well: {well}");
    let running: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'running'")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(running, 0, "work was left in the air");
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(60).await
}

/// SIGTERM with work that would take longer: it is given back at once, without costing an attempt.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_gives_back_what_does_not_end() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(3))?;
    fleet.enqueue(&marks(0..30, 5_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < Duration::from_secs(5), "took {took:?}");
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(waiting, 30, "not all was given back");
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(30).await
}

/// The same with Redis gone: a worker can say goodbye to nobody and still stops in time.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_stops_in_time_without_redis() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(4))?;
    fleet.enqueue(&marks(0..30, 1_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    fleet.stop_redis();
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < Duration::from_secs(6), "took {took:?}");
    fleet.start_redis()?;
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(30).await
}
