//! Two transactions that wait for each other.

use std::time::Duration;

use flysk_jobs::Verdict;
use flysk_jobs::runtime::engine::Performed;
use flysk_store::jobs::JobState;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use super::workshop::{Bench, CountTwice};

/// The database ends one of the two; its job has no second attempt to spend.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn of_two_jobs_that_deadlock_both_end_well_on_their_only_attempt(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bench = Bench::open(options, connect.clone(), connect).await;
    let one = bench.enqueue(&CountTwice { first: 1, second: 2 }).await;
    let other = bench.enqueue(&CountTwice { first: 2, second: 1 }).await;
    let both = async { tokio::join!(bench.engine.perform(one), bench.engine.perform(other)) };
    let (one_ended, other_ended) = tokio::time::timeout(Duration::from_mins(1), both).await.unwrap();
    assert_eq!(one_ended.unwrap(), Performed::Ended(Ok(Verdict::Done)));
    assert_eq!(other_ended.unwrap(), Performed::Ended(Ok(Verdict::Done)));
    for id in [one, other] {
        let row = bench.row(id).await;
        assert_eq!((row.state, row.attempt), (JobState::Done, 1), "{row:?}");
    }
    assert_eq!(bench.counted().await, [2, 2], "each effect once");
}
