//! Jobs of tests.

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::Pool;
use flysk_store::jobs::{self, NewJob};

/// Inserts a job of queue `test` that is due at `run_at` and has three attempts.
pub(crate) async fn insert_job(pool: &Pool, clock: &ManualClock, kind: &str, run_at: DateTime<Utc>) -> JobId {
    insert_job_with(pool, clock, kind, run_at, 3).await
}

/// [`insert_job`] with another number of attempts.
pub(crate) async fn insert_job_with(
    pool: &Pool,
    clock: &ManualClock,
    kind: &str,
    run_at: DateTime<Utc>,
    max_attempts: u32,
) -> JobId {
    let id = JobId::generate(clock);
    let job = NewJob {
        id,
        kind,
        queue: "test",
        priority: 1,
        payload: &serde_json::Value::Null,
        max_attempts,
        run_at,
        push_at: run_at,
        dedup_key: None,
        tenant: None,
        trace: &Trace { correlation_id: "test".to_owned(), traceparent: None },
        created_at: clock.now(),
    };
    assert!(jobs::insert(&mut pool.acquire().await.unwrap(), &job).await.unwrap());
    id
}
