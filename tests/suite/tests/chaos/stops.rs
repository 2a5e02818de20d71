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
    assert_eq!(running(&fleet).await?, 0, "work was left in the air");
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
    assert_eq!(running(&fleet).await?, 0, "work was left in the air");
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
    assert_eq!(running(&fleet).await?, 0, "work was left in the air");
    fleet.start_redis()?;
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(30).await
}

/// A worker that lost Redis works on in places it has already taken: with Redis back it begins no more than
/// it may, and when it is asked to stop it gives back what it began before.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_gives_back_what_it_began_before_redis_was_lost() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(3))?;
    fleet.enqueue(&marks(0..30, 120_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    fleet.stop_redis();
    fleet.wait_for_log(worker, "starts anew", 1).await?;
    fleet.start_redis()?;
    fleet.enqueue(&marks(30..60, 120_000)).await?;
    // The lane that looks again takes the wake-ups of these, if it believes that it has places.
    fleet.wait_for_log(worker, "everything due is carried again", 2).await?;
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < Duration::from_secs(5), "took {took:?}");
    let starts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts").fetch_one(&fleet.pool).await?;
    assert_eq!(starts, 30, "more jobs were begun than there are places");
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(waiting, 60, "not all was given back");
    Ok(())
}

async fn running(fleet: &Fleet) -> anyhow::Result<i64> {
    let running = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'running'");
    Ok(running.fetch_one(&fleet.pool).await?)
}
