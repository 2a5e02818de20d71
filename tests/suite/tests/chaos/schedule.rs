//! Promised delays and ticks, on a clock the tests set.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_jobs::runtime::cron::{Entry, Scheduler};
use flysk_jobs::runtime::engine::Engine;
use flysk_jobs::upkeep::PruneJobs;
use flysk_jobs::{Job as _, Outbox};
use flysk_store::jobs;
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::work::{Bench, FailOnSchedule, registry};
use flysk_suite::chaos::worker::terms;

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// Retries come 10, 60 and 300 s after the failure before them, never earlier, and survive the process
/// that noted them: each attempt here is another engine's.
#[tokio::test(flavor = "multi_thread")]
async fn promised_retries_are_exact_and_survive_a_kill() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_secs(30)).await?;
    let clock = ManualClock::at(start());
    let outbox = Outbox::new(fleet.pool.clone(), None, Arc::new(clock.clone()));
    let trace = Trace { correlation_id: "schedule".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let id = unit.enqueue(&FailOnSchedule { key: 7 }).await?.unwrap();
    unit.commit().await?;

    for (attempt, delay_s) in [(1, 10), (2, 60), (3, 300)] {
        let engine = |name: &str| {
            Engine::new(outbox.clone(), registry(), Arc::new(Bench), name.to_owned(), terms(fleet.lease))
        };
        engine("one").perform(id).await?;
        let row = jobs::find(&mut *fleet.pool.acquire().await?, id).await?.unwrap();
        assert_eq!((row.attempt, row.run_at), (attempt, clock.now() + Duration::from_secs(delay_s)));
        clock.advance(chrono::Duration::seconds(i64::try_from(delay_s)?) - chrono::Duration::microseconds(1));
        engine("early").perform(id).await?;
        let starts: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM chaos_starts").fetch_one(&fleet.pool).await?;
        assert_eq!(starts, i64::from(attempt), "a retry came early");
        clock.advance(chrono::Duration::microseconds(1));
    }
    Engine::new(outbox.clone(), registry(), Arc::new(Bench), "last".to_owned(), terms(fleet.lease))
        .perform(id)
        .await?;
    let row = jobs::find(&mut *fleet.pool.acquire().await?, id).await?.unwrap();
    assert_eq!((row.state, row.attempt), (jobs::JobState::Dead, 4));
    Ok(())
}

/// However many schedulers look, each tick is one job; a long absence is caught up by one.
#[tokio::test(flavor = "multi_thread")]
async fn ticks_are_enqueued_once_and_missed_ones_caught_up_once() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_secs(30)).await?;
    let clock = ManualClock::at(start());
    let outbox = Outbox::new(fleet.pool.clone(), None, Arc::new(clock.clone()));
    let scheduler = || {
        let entry = Entry::new("tick", "0 * * * * *", || PruneJobs {})?;
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
        // Done at once, so that the next tick's job is not the same waiting one.
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
        assert_eq!(look().await?, 0, "a tick came twice");
    }
    clock.advance(chrono::Duration::hours(7));
    assert_eq!(look().await?, 1, "of many missed ticks one is caught up");
    assert_eq!(look().await?, 0);
    Ok(())
}
