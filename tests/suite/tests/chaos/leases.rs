//! Leases: workers that crash, freeze or compete.

use std::time::Duration;

use flysk_domain::trace::Trace;
use flysk_store::jobs;
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::work::{KillWorker, StumbleTwice};

use crate::{marks, shorten_marks};

const STOP_GRACE: Duration = Duration::from_secs(10);

/// A worker with 50 jobs in flight is killed: another one completes all of them, each once.
#[tokio::test(flavor = "multi_thread")]
async fn killed_worker_loses_none_of_50_jobs_in_flight() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(3)).await?;
    let doomed = fleet.start_worker(50, STOP_GRACE)?;
    fleet.enqueue(&marks(0..50, 120_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 50).await?;
    fleet.kill(doomed)?;
    shorten_marks(&fleet).await?;
    fleet.start_worker(50, STOP_GRACE)?;
    fleet.check_exactly_once(50).await?;
    fleet.wait_for("SELECT COUNT(*) FROM chaos_starts WHERE attempt = 2", 50).await
}

/// Two workers claim the same job concurrently, 100 times: one of them gets it, and the other's fencing token is
/// invalid.
#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_hold_one_lease() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(30)).await?;
    fleet.enqueue(&marks(0..100, 0)).await?;
    let rows = jobs::list(&mut *fleet.pool.acquire().await?, None, None, 100).await?;
    for row in rows {
        let now = fleet.now();
        let claim = |owner: &'static str| {
            let pool = fleet.pool.clone();
            async move {
                let until = now + Duration::from_secs(30);
                anyhow::Ok(jobs::claim(&mut *pool.acquire().await?, row.id, owner, until, now).await?)
            }
        };
        let (left, right) = tokio::try_join!(claim("left"), claim("right"))?;
        assert!(left.is_some() != right.is_some(), "{}: both or none", row.id);
        let fence = left.or(right).unwrap().fence;
        // A third worker takes the job, and the first holder can neither lock nor end it.
        let later = now + Duration::from_secs(31);
        let mut conn = fleet.pool.acquire().await?;
        let taken = jobs::steal_expired(&mut conn, fence, "third", later, later).await?.unwrap();
        assert!(!jobs::lock_if_owned(&mut conn, fence).await?);
        assert!(jobs::complete(&mut conn, fence, None, later).await.is_err());
        assert!(jobs::steal_expired(&mut conn, fence, "fourth", later, later).await?.is_none());
        jobs::complete(&mut conn, taken, None, later).await?;
    }
    // The wake-ups are still queued; a worker finds nothing to do.
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.check_at_rest().await?;
    let starts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts").fetch_one(&fleet.pool).await?;
    assert_eq!(starts, 0, "an ended job was started");
    Ok(())
}

/// A worker frozen beyond its leases resumes after others completed its jobs, and writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_worker_writes_nothing_after_it_resumes() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(2)).await?;
    let frozen = fleet.start_worker(20, STOP_GRACE)?;
    // They end after the worker has resumed: a timer runs on while its process is frozen.
    fleet.enqueue(&marks(0..20, 10_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 20).await?;
    fleet.freeze(frozen)?;
    shorten_marks(&fleet).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 20).await?;
    fleet.signal(frozen, "CONT")?;
    // The woken handlers come to their end now, each finds its lease taken; jobs enqueued after that show
    // that the worker lives on.
    fleet.wait_for_log(frozen, "lease lost before the outcome was stored", 20).await?;
    fleet.enqueue(&marks(20..60, 10)).await?;
    fleet.check_exactly_once(60).await?;
    assert!(fleet.is_running(frozen), "the frozen worker did not survive");
    Ok(())
}

/// A job that kills its worker is started as often as its policy allows, and is then dead.
#[tokio::test(flavor = "multi_thread")]
async fn poison_job_becomes_dead_and_can_be_replayed() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(1)).await?;
    fleet.enqueue(&[KillWorker { key: 1 }]).await?;
    for start in 1..=3 {
        fleet.start_worker(4, STOP_GRACE)?;
        fleet.wait_for("SELECT COUNT(*) FROM chaos_starts WHERE mark_key = 1", start).await?;
    }
    fleet.start_worker(4, STOP_GRACE)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND attempt = 3", 1).await?;
    fleet.enqueue(&marks(0..10, 0)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 10).await?;

    let dead = jobs::list(&mut *fleet.pool.acquire().await?, Some(jobs::JobState::Dead), None, 10).await?;
    let job = dead.first().unwrap();
    assert!(job.last_error.as_deref().unwrap_or_default().contains("died"), "{:?}", job.last_error);
    assert!(jobs::replay(&mut *fleet.pool.acquire().await?, job.id, fleet.now()).await?);
    for start in 4..=6 {
        fleet.wait_for("SELECT COUNT(*) FROM chaos_starts WHERE mark_key = 1", start).await?;
        fleet.start_worker(4, STOP_GRACE)?;
    }
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND attempt = 3", 1).await?;
    fleet.check_at_rest().await
}

/// A panic and a timeout are ordinary failed attempts: the worker and its other jobs continue.
#[tokio::test(flavor = "multi_thread")]
async fn panics_and_time_outs_are_failed_attempts() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    let worker = fleet.start_worker(10, STOP_GRACE)?;
    let stumbling: Vec<StumbleTwice> = (0..5).map(|key| StumbleTwice { key }).collect();
    fleet.enqueue(&stumbling).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done' AND attempt = 3", 5).await?;
    assert!(fleet.is_running(worker));
    fleet.check_at_rest().await
}

/// A queued job can be cancelled; a second job with the same deduplication key is not inserted while the first is
/// queued.
#[tokio::test(flavor = "multi_thread")]
async fn queued_jobs_can_be_cancelled() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(5)).await?;
    let trace = Trace { correlation_id: "cancel-me".to_owned(), traceparent: None };
    let mut unit = fleet.outbox.begin(trace).await?;
    let later = fleet.now() + Duration::from_hours(1);
    let id = unit.enqueue_at(&marks(1..2, 0)[0], later).await?.unwrap();
    unit.commit().await?;
    let mut conn = fleet.pool.acquire().await?;
    assert!(jobs::cancel(&mut conn, id, "not wanted any more", fleet.now()).await?);
    assert!(!jobs::cancel(&mut conn, id, "twice", fleet.now()).await?);
    assert_eq!(jobs::find(&mut conn, id).await?.unwrap().state, jobs::JobState::Cancelled);
    drop(conn);
    fleet.check_at_rest().await
}
