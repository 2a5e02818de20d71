//! Transactions that are refused at their end, as a cluster refuses those that lost.

use chrono::TimeDelta;
use flysk_jobs::runtime::cron::{Entry, Scheduler};
use flysk_jobs::runtime::engine::Performed;
use flysk_jobs::{JobError, Verdict};
use flysk_store::jobs::JobState;
use flysk_store::{StoreError, repeat_contended};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use super::proxy::CommitProxy;
use super::workshop::{Bench, CountOnce, trace};

/// Deadlock, changed since it was read, node not prepared.
const ROLLED_BACK: [u16; 3] = [1213, 1020, 1047];

async fn bench(options: MySqlPoolOptions, connect: MySqlConnectOptions) -> (Bench, CommitProxy) {
    let proxy = CommitProxy::start(connect.get_host(), connect.get_port()).await;
    let through = proxy.lead(connect.clone());
    (Bench::open(options, connect, through).await, proxy)
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_job_whose_commit_is_refused_ends_well_on_its_only_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (bench, proxy) = bench(options, connect).await;
    for (already, number) in ROLLED_BACK.into_iter().enumerate() {
        let id = bench.enqueue(&CountOnce { at: 1 }).await;
        proxy.refuse_commits(2, number);
        let ended = bench.engine.perform(id).await.unwrap();
        assert_eq!(ended, Performed::Ended(Ok(Verdict::Done)), "{number}");
        assert_eq!(proxy.left(), 0, "{number}: no commit was refused");
        let row = bench.row(id).await;
        assert_eq!((row.state, row.attempt), (JobState::Done, 1), "{number}: {row:?}");
        let counted = i32::try_from(already).unwrap() + 1;
        assert_eq!(bench.counted().await, [counted, 0], "{number}: the effect once");
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_job_that_loses_every_race_waits_without_losing_its_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (bench, proxy) = bench(options, connect).await;
    let id = bench.enqueue(&CountOnce { at: 1 }).await;
    proxy.refuse_commits(u32::MAX, 1213);
    let ended = bench.engine.perform(id).await.unwrap();
    assert!(matches!(ended, Performed::Ended(Err(JobError::Wait { .. }))), "{ended:?}");
    let row = bench.row(id).await;
    assert_eq!((row.state, row.attempt), (JobState::Queued, 0), "{row:?}");
    assert!(row.run_at > bench.now(), "it is left for a moment");
    proxy.refuse_commits(0, 1213);
    bench.clock.advance(TimeDelta::seconds(5));
    assert_eq!(bench.engine.perform(id).await.unwrap(), Performed::Ended(Ok(Verdict::Done)));
    assert_eq!(bench.counted().await, [1, 0]);
}

/// A transaction that was refused for another reason is not run again: what it says would be the same.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_commit_that_fails_otherwise_is_told(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let (bench, proxy) = bench(options, connect).await;
    proxy.refuse_commits(u32::MAX, 1290);
    let write = || async {
        let mut unit = bench.engine.outbox().begin(trace()).await?;
        unit.enqueue(&CountOnce { at: 1 }).await?;
        unit.commit().await
    };
    let refused = repeat_contended(write).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    assert_eq!(proxy.left(), u32::MAX - 1, "it was run once");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_tick_whose_commit_is_refused_is_enqueued_once(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (bench, proxy) = bench(options, connect).await;
    let entry = Entry::new("count", "0 * * * * *", || CountOnce { at: 1 }).unwrap();
    let scheduler = Scheduler::new(bench.engine.outbox().clone(), vec![entry]);
    bench.clock.advance(TimeDelta::minutes(2));
    proxy.refuse_commits(3, 1213);
    assert_eq!(scheduler.tick_once().await.unwrap(), 1);
    assert_eq!(proxy.left(), 0);
    assert_eq!(scheduler.tick_once().await.unwrap(), 0, "the tick is done");
    assert_eq!(bench.rows().await.len(), 1);
}
