//! Transactions whose commit is rejected, as in a cluster that detects a conflict at commit.

use chrono::TimeDelta;
use flysk_queue::cron::{ScheduleEntry, Scheduler};
use flysk_queue::executor::ExecutionResult;
use flysk_queue::{JobError, JobOutcome};
use flysk_store::jobs::JobState;
use flysk_store::{StoreError, repeat_contended};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use super::fixture::{CountOnce, Fixture, trace};
use super::proxy::CommitProxy;

/// Deadlock, record changed since last read, Galera node not prepared, read-only server, Group Replication at commit and before a
/// new primary has caught up.
const ROLLED_BACK: [u16; 6] = [1213, 1020, 1047, 1290, 3101, 3782];

/// "Got error … during COMMIT", and a member of a group that lost the majority: the transaction may be committed.
const UNKNOWN_OUTCOMES: [u16; 2] = [1180, 3100];

async fn fixture(options: MySqlPoolOptions, connect: MySqlConnectOptions) -> (Fixture, CommitProxy) {
    let proxy = CommitProxy::start(connect.get_host(), connect.get_port()).await;
    let through = proxy.route(connect.clone());
    (Fixture::open(options, connect, through).await, proxy)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_with_rejected_commits_succeeds_on_its_only_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (fixture, proxy) = fixture(options, connect).await;
    for (already, number) in ROLLED_BACK.into_iter().enumerate() {
        let id = fixture.enqueue(&CountOnce { at: 1 }).await;
        proxy.refuse_commits(2, number);
        let ended = fixture.executor.execute(id).await.unwrap();
        assert_eq!(ended, ExecutionResult::Finished(Ok(JobOutcome::Done)), "{number}");
        assert_eq!(proxy.left(), 0, "{number}: no commit was refused");
        let row = fixture.row(id).await;
        assert_eq!((row.state, row.attempt), (JobState::Done, 1), "{number}: {row:?}");
        let counted = i32::try_from(already).unwrap() + 1;
        assert_eq!(fixture.counted().await, [counted, 0], "{number}: the effect once");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_loses_every_race_is_postponed_without_using_an_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (fixture, proxy) = fixture(options, connect).await;
    let id = fixture.enqueue(&CountOnce { at: 1 }).await;
    proxy.refuse_commits(u32::MAX, 1213);
    let ended = fixture.executor.execute(id).await.unwrap();
    assert!(matches!(ended, ExecutionResult::Finished(Err(JobError::Wait { .. }))), "{ended:?}");
    let row = fixture.row(id).await;
    assert_eq!((row.state, row.attempt), (JobState::Queued, 0), "{row:?}");
    assert!(row.run_at > fixture.now(), "it is left for a moment");
    proxy.refuse_commits(0, 1213);
    fixture.clock.advance(TimeDelta::seconds(5));
    assert_eq!(fixture.executor.execute(id).await.unwrap(), ExecutionResult::Finished(Ok(JobOutcome::Done)));
    assert_eq!(fixture.counted().await, [1, 0]);
}

/// A transaction whose outcome is not known is not repeated.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn other_commit_errors_are_reported(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let (fixture, proxy) = fixture(options, connect).await;
    let write = || async {
        let mut unit = fixture.executor.outbox().begin(trace()).await?;
        unit.enqueue(&CountOnce { at: 1 }).await?;
        unit.commit().await
    };
    for number in UNKNOWN_OUTCOMES {
        proxy.refuse_commits(u32::MAX, number);
        let refused = repeat_contended(write).await;
        assert!(matches!(refused, Err(StoreError::Database(_))), "{number}: {refused:?}");
        assert_eq!(proxy.left(), u32::MAX - 1, "{number}: it was run once");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cron_tick_with_a_rejected_commit_is_enqueued_once(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (fixture, proxy) = fixture(options, connect).await;
    let entry = ScheduleEntry::new("count", "0 * * * * *", || CountOnce { at: 1 }).unwrap();
    let scheduler = Scheduler::new(fixture.executor.outbox().clone(), vec![entry]);
    fixture.clock.advance(TimeDelta::minutes(2));
    proxy.refuse_commits(3, 1213);
    assert_eq!(scheduler.tick_once().await.unwrap(), 1);
    assert_eq!(proxy.left(), 0);
    assert_eq!(scheduler.tick_once().await.unwrap(), 0, "the tick is done");
    assert_eq!(fixture.rows().await.len(), 1);
}
