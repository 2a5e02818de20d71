//! Retry delays and cron ticks, on a clock set by the tests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::cron::{ScheduleEntry, Scheduler};
use flysk_queue::{Job, Outbox};
use flysk_store::jobs;
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::work::FailOnSchedule;

use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// Retries happen 10, 60 and 300 s after the previous failure, never earlier, and survive the process that
/// scheduled them: every attempt runs in another worker process, each killed afterwards. The clock is set by the
/// test.
#[tokio::test(flavor = "multi_thread")]
async fn retry_delays_are_exact_and_survive_a_kill() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(30)).await?;
    let clock = ManualClock::at(start());
    let outbox = Outbox::new(fleet.pool.clone(), None, Arc::new(clock.clone()));
    let id = enqueue(&outbox, &FailOnSchedule { key: 7 }).await?;

    for (attempt, delay_s) in [(1, 10), (2, 60), (3, 300)] {
        fleet.set_clock(clock.now())?;
        let worker = fleet.start_worker(4, STOP_GRACE)?;
        fleet.wait_for(FAILED[usize::try_from(attempt)? - 1], 1).await?;
        fleet.kill(worker)?;
        let row = jobs::find(&mut *fleet.pool.acquire().await?, id).await?.unwrap();
        assert_eq!((row.attempt, row.run_at), (attempt, clock.now() + Duration::from_secs(delay_s)));

        clock.advance(chrono::Duration::seconds(i64::try_from(delay_s)?) - chrono::Duration::microseconds(1));
        fleet.set_clock(clock.now())?;
        let early = fleet.start_worker(4, STOP_GRACE)?;
        // When this job is done, all due jobs have been fetched.
        enqueue(&outbox, &marks(delay_s..delay_s + 1, 0)[0]).await?;
        fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", i64::from(attempt)).await?;
        fleet.kill(early)?;
        let starts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts WHERE mark_key = 7")
            .fetch_one(&fleet.pool)
            .await?;
        assert_eq!(starts, i64::from(attempt), "a retry was early");
        clock.advance(chrono::Duration::microseconds(1));
    }
    fleet.set_clock(clock.now())?;
    fleet.start_worker(4, STOP_GRACE)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND attempt = 4", 1).await?;
    fleet.check_at_rest().await
}

/// Queries for the failure of the first, second and third start.
const FAILED: [&str; 3] = [
    "SELECT COUNT(*) FROM jobs WHERE kind = 'chaos.fail_on_schedule' AND state = 'queued' AND attempt = 1",
    "SELECT COUNT(*) FROM jobs WHERE kind = 'chaos.fail_on_schedule' AND state = 'queued' AND attempt = 2",
    "SELECT COUNT(*) FROM jobs WHERE kind = 'chaos.fail_on_schedule' AND state = 'queued' AND attempt = 3",
];

async fn enqueue<J: Job>(outbox: &Outbox, job: &J) -> anyhow::Result<JobId> {
    let trace = Trace { correlation_id: "schedule".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let id = unit.enqueue(job).await?.context("none waits")?;
    unit.commit().await?;
    Ok(id)
}

/// Each tick is one job for any number of schedulers; a long downtime is caught up by one job.
#[tokio::test(flavor = "multi_thread")]
async fn ticks_are_enqueued_once_and_missed_ones_caught_up_once() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(30)).await?;
    let clock = ManualClock::at(start());
    let outbox = Outbox::new(fleet.pool.clone(), None, Arc::new(clock.clone()));
    let scheduler = || {
        let entry = ScheduleEntry::new("tick", "0 * * * * *", || PruneJobs {})?;
        anyhow::Ok(Arc::new(Scheduler::new(outbox.clone(), vec![entry])))
    };
    let schedulers = [scheduler()?, scheduler()?, scheduler()?];
    let look = async || {
        let looks = schedulers.iter().map(|scheduler| {
            let scheduler = Arc::clone(scheduler);
            tokio::spawn(async move { scheduler.tick_once().await })
        });
        let mut ticks = 0;
        for look in looks.collect::<Vec<_>>() {
            ticks += look.await??;
        }
        // Marked as done, so that the next tick's job is not a duplicate of it.
        sqlx::query("UPDATE jobs SET state = 'done', waiting_key = NULL WHERE kind = ?")
            .bind(PruneJobs::KIND)
            .execute(&fleet.pool)
            .await?;
        anyhow::Ok(ticks)
    };
    assert_eq!(look().await?, 0, "nothing is due yet");
    for _ in 0..5 {
        clock.advance(chrono::Duration::minutes(1));
        assert_eq!(look().await?, 1);
        assert_eq!(look().await?, 0, "a tick was enqueued twice");
    }
    clock.advance(chrono::Duration::hours(7));
    assert_eq!(look().await?, 1, "of many missed ticks one is caught up");
    assert_eq!(look().await?, 0);
    fleet.check_at_rest().await
}
