//! Deadlocks of two transactions.

use std::time::Duration;

use flysk_queue::JobOutcome;
use flysk_queue::executor::ExecutionResult;
use flysk_store::jobs::JobState;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use super::fixture::{CountTwice, Fixture};

/// The database rolls back one of the two; its job has no second attempt.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_deadlocking_jobs_both_succeed_on_their_only_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = Fixture::open(options, connect.clone(), connect).await;
    let one = fixture.enqueue(&CountTwice { first: 1, second: 2 }).await;
    let other = fixture.enqueue(&CountTwice { first: 2, second: 1 }).await;
    let both = async { tokio::join!(fixture.executor.execute(one), fixture.executor.execute(other)) };
    let (one_ended, other_ended) =
        tokio::time::timeout(Duration::from_mins(5), Box::pin(both)).await.unwrap();
    assert_eq!(one_ended.unwrap(), ExecutionResult::Finished(Ok(JobOutcome::Done)));
    assert_eq!(other_ended.unwrap(), ExecutionResult::Finished(Ok(JobOutcome::Done)));
    for id in [one, other] {
        let row = fixture.row(id).await;
        assert_eq!((row.state, row.attempt), (JobState::Done, 1), "{row:?}");
    }
    assert_eq!(fixture.counted().await, [2, 2], "each effect once");
}
