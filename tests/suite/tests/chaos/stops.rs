//! Graceful shutdown of workers.

use std::time::Duration;

use flysk_suite::chaos::fleet::Fleet;

use crate::{marks, shorten_marks};

/// Duration of jobs that outlast a stop, ms.
const LONG_MS: u64 = 120_000;
/// A worker that waits for its jobs, or for Redis, takes longer to stop. Many times its grace time, so that a busy machine does
/// not take as long.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// SIGTERM with jobs in flight that end within the grace time: they complete, and no new job is started.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_completes_its_running_jobs() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_mins(2))?;
    fleet.enqueue(&marks(0..60, 5_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    let (took, well) = fleet.terminate(worker)?;
    // After the grace time a process ends with a failure.
    assert!(well, "it did not stop within its grace time, but after {took:?}");
    assert_eq!(running(&fleet).await?, 0, "jobs are still running");
    let ended: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'done' AND attempt = 1")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(starts(&fleet).await?, ended, "a job was started and not completed");
    shorten_marks(&fleet).await?;
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(60).await
}

/// SIGTERM with jobs that would take longer: they are released at once, without using an attempt.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_releases_jobs_that_do_not_end() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(3))?;
    fleet.enqueue(&marks(0..30, LONG_MS)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < STOP_TIMEOUT, "took {took:?}");
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(waiting, 30, "not all was given back");
    assert_eq!(running(&fleet).await?, 0, "jobs are still running");
    shorten_marks(&fleet).await?;
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(30).await
}

/// The same without Redis: the worker cannot deregister and still stops in time.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_stops_in_time_without_redis() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.enqueue(&marks(0..30, 5_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    fleet.stop_redis();
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < STOP_TIMEOUT, "took {took:?}");
    assert_eq!(running(&fleet).await?, 0, "jobs are still running");
    fleet.start_redis()?;
    shorten_marks(&fleet).await?;
    fleet.start_worker(30, Duration::from_secs(10))?;
    fleet.check_exactly_once(30).await
}

/// A worker that lost Redis keeps running jobs with permits that it already has. When Redis is back, it starts no
/// more than its limit, and on shutdown it releases the jobs that it started before.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_worker_releases_jobs_started_before_redis_was_lost() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(30, Duration::from_secs(3))?;
    fleet.enqueue(&marks(0..30, LONG_MS)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 30).await?;
    fleet.stop_redis();
    fleet.wait_for_log(worker, "lost Redis and restarts", 1).await?;
    fleet.start_redis()?;
    fleet.enqueue(&marks(30..60, LONG_MS)).await?;
    // The reconnected consumer fetches the wake-ups of these jobs if it believes that it has permits.
    fleet.wait_for_log(worker, "everything due is pushed again", 2).await?;
    let (took, _) = fleet.terminate(worker)?;
    assert!(took < STOP_TIMEOUT, "took {took:?}");
    assert_eq!(starts(&fleet).await?, 30, "more jobs were begun than there are places");
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

async fn starts(fleet: &Fleet) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts").fetch_one(&fleet.pool).await?)
}
