//! Workers on machines with wrong wall clocks.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::trace::Trace;
use flysk_suite::chaos::fleet::Fleet;

use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

/// Much shorter than clocks are wrong, and renewed and checked while the jobs run; too long for a busy machine to miss all renewals.
const LEASE: Duration = Duration::from_secs(20);

/// Enqueues a job that is due in an hour and one that is due in a few seconds.
async fn enqueue_for_later(fleet: &Fleet) -> anyhow::Result<()> {
    let trace = Trace { correlation_id: "later".to_owned(), traceparent: None };
    let mut unit = fleet.outbox.begin(trace).await?;
    unit.enqueue_at(&marks(100..101, 0)[0], fleet.now() + TimeDelta::minutes(5)).await?;
    unit.enqueue_at(&marks(101..102, 0)[0], fleet.now() + TimeDelta::seconds(3)).await?;
    Ok(unit.commit().await?)
}

/// A worker with a wrong wall clock joins a busy one with a correct clock: it ends none of the other's jobs,
/// starts none early, and logs the clock offset.
async fn join_with_wrong_clock(wall_ahead: TimeDelta) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(LEASE).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.enqueue(&marks(0..20, 9_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 20).await?;
    let wrong = fleet.start_skewed_worker(20, STOP_GRACE, wall_ahead)?;
    enqueue_for_later(&fleet).await?;
    fleet.wait_for_log(wrong, "wall clock is wrong", 1).await?;
    // Long enough for several checks for abandoned jobs.
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 21).await?;
    let starts: Vec<(u64, u32)> =
        sqlx::query_as("SELECT mark_key, attempt FROM chaos_starts ORDER BY mark_key, attempt")
            .fetch_all(&fleet.pool)
            .await?;
    let wanted: Vec<(u64, u32)> = (0..20).chain([101]).map(|key| (key, 1)).collect();
    assert_eq!(starts, wanted, "a job was ended, started again, or started early");
    let early: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM chaos_starts s JOIN jobs j ON j.correlation_id = 'later' AND j.state = 'done'
         WHERE s.mark_key = 101 AND s.at < j.run_at",
    )
    .fetch_one(&fleet.pool)
    .await?;
    assert_eq!(early, 0, "a job was started before it was due");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_with_a_clock_ten_minutes_ahead_ends_no_job_of_the_others() -> anyhow::Result<()> {
    join_with_wrong_clock(TimeDelta::minutes(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_with_a_clock_ten_minutes_behind_ends_no_job_of_the_others() -> anyhow::Result<()> {
    join_with_wrong_clock(TimeDelta::minutes(-10)).await
}

/// A single worker with a wrong clock keeps its leases valid for workers that join later: they take none of its
/// jobs.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_worker_with_a_clock_behind_are_not_taken_from_it() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(LEASE).await?;
    fleet.start_skewed_worker(20, STOP_GRACE, TimeDelta::minutes(-10))?;
    fleet.enqueue(&marks(0..20, 9_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", 20).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.check_exactly_once(20).await?;
    let again: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts WHERE attempt > 1")
        .fetch_one(&fleet.pool)
        .await?;
    assert_eq!(again, 0, "a healthy worker took a running job for abandoned");
    Ok(())
}
