//! Jobs that are enqueued together.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_queue::{EnqueuedJobs, Job, Outbox, Policy, QueueName, QueueNotifier, RedisKeys, connect_redis};
use flysk_store::jobs::{self, Claim};
use serde::{Deserialize, Serialize};
use sqlx::MySqlPool;

#[derive(Serialize, Deserialize)]
struct Keyed {
    key: u32,
}

impl Job for Keyed {
    const KIND: &'static str = "test.keyed";
    const POLICY: Policy = Policy::for_queue(QueueName::new("test"));
    const TRIGGER: &'static str = "a test";
    const DESCRIPTION: &'static str = "has a key";

    fn dedup_key(&self) -> Option<String> {
        Some(self.key.to_string())
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_many_jobs_those_that_wait_already_are_left_out(pool: MySqlPool) {
    let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
    let outbox = Outbox::new(pool.clone(), None, Arc::new(clock));
    let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace).await.unwrap();
    let first = unit.enqueue(&Keyed { key: 1 }).await.unwrap();
    let keys: Vec<Keyed> = [1, 2, 3, 3].into_iter().chain(4..100).map(|key| Keyed { key }).collect();
    unit.enqueue_all(&keys).await.unwrap();
    unit.enqueue_all::<Keyed>(&[]).await.unwrap();
    assert_eq!(unit.enqueue(&Keyed { key: 99 }).await.unwrap(), None);
    unit.commit().await.unwrap();
    let waiting = "SELECT waiting_key, id FROM jobs WHERE state = 'queued' ORDER BY waiting_key + 0";
    let waiting: Vec<(String, String)> = sqlx::query_as(waiting).fetch_all(&pool).await.unwrap();
    let numbers: Vec<u32> = waiting.iter().map(|(key, _)| key.parse().unwrap()).collect();
    assert_eq!(numbers, (1..100).collect::<Vec<_>>());
    assert_eq!(waiting[0].1, first.unwrap().to_string(), "the one that waited first");
}

/// Claims leave out locked rows.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_waits_already_can_be_claimed_while_others_are_enqueued(pool: MySqlPool) {
    let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
    let now = clock.now();
    let outbox = Outbox::new(pool.clone(), None, Arc::new(clock));
    let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace.clone()).await.unwrap();
    let waiting = unit.enqueue(&Keyed { key: 1 }).await.unwrap().unwrap();
    unit.commit().await.unwrap();

    let mut unit = outbox.begin(trace).await.unwrap();
    unit.enqueue_all(&[Keyed { key: 1 }, Keyed { key: 2 }]).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let wanted = [Claim { job: waiting, starts_now: true }];
    let until = now + TimeDelta::seconds(30);
    let claimed = jobs::claim_many(&mut tx, &wanted, "worker", until, now).await.unwrap();
    assert_eq!(claimed.len(), 1);
    tx.commit().await.unwrap();
    unit.commit().await.unwrap();
}

/// What is rolled back, waits already, or is due later is not told.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_outbox_tells_of_the_due_jobs_of_its_commits(pool: MySqlPool) {
    let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
    let now = clock.now();
    let enqueued = EnqueuedJobs::default();
    let outbox = Outbox::new(pool, None, Arc::new(clock)).telling(enqueued.clone());
    let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace.clone()).await.unwrap();
    unit.enqueue(&Keyed { key: 1 }).await.unwrap();
    drop(unit);
    assert_eq!(enqueued.take(), []);

    let mut unit = outbox.begin(trace).await.unwrap();
    let first = unit.enqueue(&Keyed { key: 1 }).await.unwrap();
    assert_eq!(unit.enqueue(&Keyed { key: 1 }).await.unwrap(), None);
    unit.enqueue_at(&Keyed { key: 2 }, now + TimeDelta::seconds(1)).await.unwrap();
    unit.enqueue_all(&[Keyed { key: 1 }, Keyed { key: 3 }]).await.unwrap();
    assert_eq!(enqueued.take(), [], "nothing is committed");
    unit.commit().await.unwrap();
    let told = enqueued.take();
    assert_eq!(told[0].id, first.unwrap());
    let payloads: Vec<_> = told.iter().map(|job| (job.kind, job.payload["key"].as_u64())).collect();
    assert_eq!(payloads, [("test.keyed", Some(1)), ("test.keyed", Some(3))]);
    assert_eq!(enqueued.take(), [], "they were taken");
}

/// Otherwise it would wait half a second longer behind the jobs of a busy tenant.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[expect(clippy::disallowed_methods, reason = "the variable names the Redis of the tests")]
async fn a_job_for_which_redis_has_no_capacity_is_due_for_the_relay_at_once(pool: MySqlPool) {
    // No relay has measured the queue: new jobs may take 128 places.
    const COMMITS: u32 = 3;
    const JOBS_PER_COMMIT: u32 = 64;
    let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
    let redis = connect_redis(&std::env::var("REDIS_URL").unwrap()).await.unwrap();
    let notifier = QueueNotifier::new(redis, RedisKeys::new(format!("outbox-full-{}", std::process::id())));
    let outbox = Outbox::new(pool.clone(), Some(notifier), Arc::new(clock.clone()));
    let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
    for commit in 0..COMMITS {
        let keys = commit * JOBS_PER_COMMIT..(commit + 1) * JOBS_PER_COMMIT;
        let jobs: Vec<Keyed> = keys.map(|key| Keyed { key }).collect();
        let mut unit = outbox.begin(trace.clone()).await.unwrap();
        unit.enqueue_all(&jobs).await.unwrap();
        unit.commit().await.unwrap();
    }
    // The clock stands still.
    let wait_for_due = async |count: u32| {
        let due = async {
            let mut conn = pool.acquire().await.unwrap();
            while jobs::list_due(&mut conn, clock.now(), 1_000).await.unwrap().len() != count as usize {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), due).await.unwrap();
    };
    wait_for_due(JOBS_PER_COMMIT).await;

    let mut unit = outbox.begin(trace).await.unwrap();
    unit.enqueue(&Keyed { key: COMMITS * JOBS_PER_COMMIT }).await.unwrap();
    unit.commit().await.unwrap();
    wait_for_due(JOBS_PER_COMMIT + 1).await;
}
