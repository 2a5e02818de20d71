//! Attempts of jobs: what the row of a job and the recorded attempts tell about them.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::{
    Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, Outbox, Policy, QueueName, Registry,
};
use flysk_store::jobs::{self, AttemptOutcome, AttemptRow, JobRow, JobState};
use serde::{Deserialize, Serialize};
use sqlx::MySqlPool;

/// Fails this often, waits this often, and then succeeds.
#[derive(Debug, Serialize, Deserialize)]
struct Struggle {
    failures: u32,
    waits: u32,
}

impl Job for Struggle {
    const KIND: &'static str = "test.struggle";
    const POLICY: Policy = Policy::for_queue(QueueName::new("upkeep")).attempts(3);
    const TRIGGER: &'static str = "a test";
    const DESCRIPTION: &'static str = "fails, waits and succeeds";
}

/// Waits of the job so far.
#[derive(Debug, Default)]
struct Waited(std::sync::atomic::AtomicU32);

impl JobHandler<Waited> for Struggle {
    async fn handle(&self, ctx: &JobContext, app: &Waited) -> JobResult {
        if ctx.attempt() <= self.failures {
            return Err(JobError::Retry { reason: "status 503".to_owned(), after: Some(Duration::ZERO) });
        }
        if app.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < self.waits {
            return Ok(JobOutcome::snooze(ctx.now(), "the limit is reached"));
        }
        Ok(JobOutcome::Done)
    }
}

struct Fixture {
    executor: Executor<Waited>,
    outbox: Outbox,
    clock: ManualClock,
}

impl Fixture {
    fn on(pool: MySqlPool) -> Self {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool, None, Arc::new(clock.clone()));
        let registry = Registry::default().with::<Struggle>();
        let (app, lease) = (Arc::new(Waited::default()), LeaseConfig::default());
        let executor = Executor::new(outbox.clone(), registry, app, "worker-1".to_owned(), lease);
        Self { executor, outbox, clock }
    }

    async fn enqueue(&self, job: &Struggle) -> JobId {
        let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
        let mut unit = self.outbox.begin(trace).await.unwrap();
        let id = unit.enqueue(job).await.unwrap().unwrap();
        unit.commit().await.unwrap();
        id
    }

    /// Runs the job until it does not wait any more.
    async fn run(&self, id: JobId) -> JobRow {
        loop {
            let row = self.row(id).await;
            if row.state != JobState::Queued {
                return row;
            }
            self.clock.advance(TimeDelta::seconds(5));
            self.executor.execute(id).await.unwrap();
        }
    }

    async fn row(&self, id: JobId) -> JobRow {
        jobs::find(&mut self.outbox.pool().acquire().await.unwrap(), id).await.unwrap().unwrap()
    }

    async fn attempts(&self, id: JobId) -> Vec<AttemptRow> {
        jobs::list_attempts(&mut self.outbox.pool().acquire().await.unwrap(), id, 100).await.unwrap()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn failed_attempts_are_recorded_and_the_job_tells_the_successful_one(pool: MySqlPool) {
    let fixture = Fixture::on(pool);
    let id = fixture.enqueue(&Struggle { failures: 2, waits: 0 }).await;
    let start = fixture.now();
    let row = fixture.run(id).await;
    let at = |seconds: i64| Some(start + TimeDelta::seconds(seconds));
    assert_eq!((row.state, row.attempt, row.waits), (JobState::Done, 3, 0));
    assert_eq!((row.started_at, row.finished_at), (at(15), at(15)));
    assert_eq!(row.lease_owner.as_deref(), Some("worker-1"), "who ended it");
    let attempts = fixture.attempts(id).await;
    let told: Vec<_> = attempts.iter().map(|one| (one.attempt, one.outcome, one.started_at)).collect();
    assert_eq!(
        told,
        [(2, AttemptOutcome::Failed, at(10)), (1, AttemptOutcome::Failed, at(5))],
        "newest first"
    );
    for attempt in &attempts {
        assert_eq!(attempt.worker.as_deref(), Some("worker-1"));
        assert_eq!(attempt.reason.as_deref(), Some("status 503"));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_waits_often_writes_no_row_for_each_wait(pool: MySqlPool) {
    let fixture = Fixture::on(pool);
    let id = fixture.enqueue(&Struggle { failures: 1, waits: 40 }).await;
    let row = fixture.run(id).await;
    assert_eq!((row.state, row.attempt, row.waits), (JobState::Done, 2, 40));
    assert_eq!(fixture.attempts(id).await.len(), 1, "the failed attempt");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_attempts_before_a_replay_stay(pool: MySqlPool) {
    let fixture = Fixture::on(pool);
    let id = fixture.enqueue(&Struggle { failures: 9, waits: 0 }).await;
    assert_eq!(fixture.run(id).await.state, JobState::Dead);
    let mut conn = fixture.outbox.pool().acquire().await.unwrap();
    assert!(jobs::replay(&mut conn, id, fixture.now()).await.unwrap());
    assert_eq!(fixture.row(id).await.lease_owner, None, "it waits for a worker");
    assert_eq!(fixture.run(id).await.state, JobState::Dead);
    let told: Vec<_> = fixture.attempts(id).await.into_iter().map(|one| (one.attempt, one.outcome)).collect();
    let (failed, dead) = (AttemptOutcome::Failed, AttemptOutcome::Dead);
    assert_eq!(told, [(3, dead), (2, failed), (1, failed), (3, dead), (2, failed), (1, failed)]);
}

/// The rescuer, which ends the attempt, is not the worker that ran it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_abandoned_attempt_names_the_worker_that_died(pool: MySqlPool) {
    let fixture = Fixture::on(pool);
    let id = fixture.enqueue(&Struggle { failures: 0, waits: 0 }).await;
    let (start, until) = (fixture.now(), fixture.now() + TimeDelta::seconds(30));
    let mut conn = fixture.outbox.pool().acquire().await.unwrap();
    jobs::claim(&mut conn, id, "worker-that-died", until, start).await.unwrap().unwrap();
    drop(conn);
    fixture.clock.advance(TimeDelta::minutes(1));
    assert_eq!(fixture.executor.rescue_once().await.unwrap(), 1);
    let attempts = fixture.attempts(id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].attempt, attempts[0].outcome), (1, AttemptOutcome::Abandoned));
    assert_eq!(attempts[0].worker.as_deref(), Some("worker-that-died"));
    assert_eq!((attempts[0].started_at, attempts[0].ended_at), (Some(start), fixture.now()));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn attempts_are_deleted_with_their_job_and_those_of_a_replayed_one_stay(pool: MySqlPool) {
    let fixture = Fixture::on(pool);
    let (gone, kept) = (Struggle { failures: 9, waits: 0 }, Struggle { failures: 9, waits: 0 });
    let (gone, kept) = (fixture.enqueue(&gone).await, fixture.enqueue(&kept).await);
    for id in [gone, kept] {
        assert_eq!(fixture.run(id).await.state, JobState::Dead);
    }
    let mut conn = fixture.outbox.pool().acquire().await.unwrap();
    assert!(jobs::replay(&mut conn, kept, fixture.now()).await.unwrap());
    let later = fixture.now() + TimeDelta::days(1);
    assert_eq!(jobs::prune(&mut conn, JobState::Dead, later, 10).await.unwrap(), 1);
    assert_eq!((fixture.attempts(gone).await.len(), fixture.attempts(kept).await.len()), (0, 3));
    assert_eq!(jobs::prune_attempts(&mut conn, later, 2).await.unwrap(), 2);
    assert_eq!(fixture.attempts(kept).await.len(), 1);
}
