//! Claims and ends of jobs in groups, and what finds jobs by their state.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod locks;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::jobs::{self, Claim, Fence, JobState, Lease, NewJob};
use flysk_store::{Conn, Pool};
use sqlx::MySqlPool;

/// A table of jobs at one moment.
struct Fixture {
    clock: ManualClock,
    pool: Pool,
}

impl Fixture {
    fn on(pool: MySqlPool) -> Self {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        Self { clock, pool }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn until(&self) -> DateTime<Utc> {
        self.now() + TimeDelta::seconds(30)
    }

    async fn conn(&self) -> sqlx::pool::PoolConnection<sqlx::MySql> {
        self.pool.acquire().await.unwrap()
    }

    /// Inserts a job that is due.
    async fn insert(&self, max_attempts: u32, dedup_key: Option<&str>) -> JobId {
        self.insert_at(self.now(), max_attempts, dedup_key).await.unwrap()
    }

    /// `None` if one with the dedup key waits.
    async fn insert_at(
        &self,
        run_at: DateTime<Utc>,
        max_attempts: u32,
        dedup_key: Option<&str>,
    ) -> Option<JobId> {
        let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
        let id = JobId::generate(&self.clock);
        let job = NewJob {
            id,
            kind: "test.work",
            queue: "test",
            priority: 1,
            payload: &serde_json::Value::Null,
            max_attempts,
            run_at,
            push_at: run_at,
            dedup_key,
            tenant: None,
            trace: &trace,
            created_at: self.now(),
        };
        jobs::insert(&mut *self.conn().await, &job).await.unwrap().then_some(id)
    }

    async fn claim(&self, id: JobId) -> Option<Lease> {
        jobs::claim(&mut *self.conn().await, id, "worker", self.until(), self.now()).await.unwrap()
    }

    /// Claims in a transaction of its own.
    async fn claim_many(&self, wanted: &[Claim]) -> BTreeMap<JobId, Lease> {
        let mut tx = self.pool.begin().await.unwrap();
        let leases = jobs::claim_many(&mut tx, wanted, "worker", self.until(), self.now()).await.unwrap();
        tx.commit().await.unwrap();
        leases.into_iter().map(|lease| (lease.fence.job, lease)).collect()
    }

    async fn complete_many(&self, number: u64, ids: &[JobId]) -> BTreeSet<JobId> {
        jobs::complete_many(&mut *self.conn().await, number, ids, None, self.now()).await.unwrap()
    }

    async fn row(&self, id: JobId) -> jobs::JobRow {
        jobs::find(&mut *self.conn().await, id).await.unwrap().unwrap()
    }
}

fn ahead(job: JobId) -> Claim {
    Claim { job, starts_now: false }
}

fn starting(job: JobId) -> Claim {
    Claim { job, starts_now: true }
}

fn ids(leases: &BTreeMap<JobId, Lease>) -> BTreeSet<JobId> {
    leases.keys().copied().collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_jobs_to_be_claimed_together_those_that_wait_and_are_due_are(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (one, other) = (all.insert(3, None).await, all.insert(3, None).await);
    let later = all.insert_at(all.now() + TimeDelta::seconds(1), 3, None).await.unwrap();
    let (taken, cancelled) = (all.insert(3, None).await, all.insert(3, None).await);
    all.claim(taken).await.unwrap();
    assert!(jobs::cancel(&mut *all.conn().await, cancelled, "not wanted", all.now()).await.unwrap());
    let unknown = JobId::generate(&all.clock);

    let wanted =
        [starting(one), ahead(other), starting(later), starting(taken), ahead(cancelled), ahead(unknown)];
    let leases = all.claim_many(&wanted).await;

    assert_eq!(ids(&leases), BTreeSet::from([one, other]));
    for (id, lease) in &leases {
        assert_eq!((lease.attempt, lease.fence), (1, Fence { job: *id, number: 1 }));
        let row = all.row(*id).await;
        assert_eq!((row.state, row.attempt, row.started_at), (JobState::Running, 1, Some(all.now())));
        assert_eq!(row.lease_until, Some(all.until()));
        assert!(jobs::lock_if_owned(&mut *all.conn().await, lease.fence).await.unwrap());
    }
    assert!(all.claim_many(&wanted).await.is_empty(), "nobody gets a job twice");
    assert!(all.claim_many(&[]).await.is_empty());
}

/// A wake-up may be delivered twice: the job is claimed once, and starts if one of the two has a permit.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_is_wanted_twice_is_claimed_once(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let once = all.insert(1, None).await;
    let leases = all.claim_many(&[ahead(once), starting(once), ahead(once)]).await;
    assert_eq!(ids(&leases), BTreeSet::from([once]));
    assert_eq!(all.row(once).await.attempt, 1);
}

/// A job that may have killed a worker, or whose only attempt would be lost with a worker, is claimed when it starts.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_jobs_that_were_never_started_and_may_be_again_are_claimed_ahead(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (fresh, single) = (all.insert(3, None).await, all.insert(1, None).await);
    let (retried, snoozed, expedited) =
        (all.insert(3, None).await, all.insert(3, None).await, all.insert(3, Some("key")).await);
    for (id, is_retried) in [(retried, true), (snoozed, false), (expedited, true)] {
        let fence = all.claim(id).await.unwrap().fence;
        let mut conn = all.conn().await;
        if is_retried {
            jobs::retry(&mut conn, fence, all.now(), "failed").await.unwrap();
        } else {
            jobs::snooze(&mut conn, fence, all.now(), "not yet").await.unwrap();
        }
    }
    assert!(jobs::expedite(&mut *all.conn().await, "test.work", "key", all.now()).await.unwrap());

    let every = [fresh, single, retried, snoozed, expedited];
    assert_eq!(ids(&all.claim_many(&every.map(ahead)).await), BTreeSet::from([fresh]));
    let rest = [single, retried, snoozed, expedited];
    assert_eq!(ids(&all.claim_many(&rest.map(starting)).await), BTreeSet::from(rest));
}

/// A job that was claimed ahead and released is as it was: not started, under its dedup key, due since the same time.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_is_released_was_never_started(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (id, due) = (all.insert(3, Some("key")).await, all.now());
    let fence = all.claim_many(&[ahead(id)]).await.remove(&id).unwrap().fence;
    all.clock.advance(TimeDelta::seconds(1));
    jobs::release_unstarted(&mut *all.conn().await, fence, due, all.now()).await.unwrap();
    let row = all.row(id).await;
    assert_eq!((row.state, row.attempt, row.started_at), (JobState::Queued, 0, None));
    assert_eq!((row.run_at, row.lease_until), (due, None));
    assert_eq!(all.insert_at(all.now(), 3, Some("key")).await, None, "it waits under its key");
    assert!(!jobs::lock_if_owned(&mut *all.conn().await, fence).await.unwrap());
    let again = all.claim_many(&[ahead(id)]).await;
    assert_eq!(again[&id].fence.number, 2);
}

/// The mark of a claim ahead ends with its lease. The job is not claimed ahead again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_claim_ahead_is_told_from_one_of_a_job_that_starts(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (early, started) = (all.insert(3, None).await, all.insert(3, None).await);
    let leases = all.claim_many(&[ahead(early), starting(started)]).await;
    let marks = BTreeMap::from([(early, true), (started, false)]);
    let marks_of = |lease: &Lease| (lease.fence.job, lease.claimed_ahead);
    assert_eq!(leases.values().map(marks_of).collect::<BTreeMap<_, _>>(), marks);
    all.clock.advance(TimeDelta::minutes(1));
    let mut conn = all.conn().await;
    let expired = jobs::list_expired(&mut conn, all.now(), 10).await.unwrap();
    assert_eq!(expired.iter().map(marks_of).collect::<BTreeMap<_, _>>(), marks);
    for lease in expired {
        let taken = jobs::steal_expired(&mut conn, lease.fence, "another", all.until(), all.now());
        let taken = taken.await.unwrap().unwrap();
        jobs::release(&mut conn, taken, all.now()).await.unwrap();
    }
    assert!(all.claim_many(&[ahead(early)]).await.is_empty());
    assert!(!all.claim(early).await.unwrap().claimed_ahead);
}

/// As [`jobs::release`], it waits beside a newer job with its key.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_is_released_leaves_its_key_to_a_newer_one(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let id = all.insert(3, Some("key")).await;
    let fence = all.claim_many(&[ahead(id)]).await.remove(&id).unwrap().fence;
    let newer = all.insert(3, Some("key")).await;
    jobs::release_unstarted(&mut *all.conn().await, fence, all.now(), all.now()).await.unwrap();
    for id in [id, newer] {
        assert_eq!(all.row(id).await.state, JobState::Queued);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_ends_that_are_written_together_those_of_lost_leases_are_not(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (one, lost, other) =
        (all.insert(3, None).await, all.insert(3, None).await, all.insert(3, None).await);
    all.claim_many(&[one, lost, other].map(starting)).await;
    all.clock.advance(TimeDelta::minutes(1));
    let fence = Fence { job: lost, number: 1 };
    let mut conn = all.conn().await;
    let taken =
        jobs::steal_expired(&mut conn, fence, "another", all.until(), all.now()).await.unwrap().unwrap();

    assert_eq!(all.complete_many(1, &[one, lost, other]).await, BTreeSet::from([one, other]));

    let row = all.row(one).await;
    assert_eq!((row.state, row.finished_at, row.lease_until), (JobState::Done, Some(all.now()), None));
    assert_eq!(all.row(lost).await.state, JobState::Running);
    assert_eq!(
        all.complete_many(taken.number, &[lost]).await,
        BTreeSet::from([lost]),
        "its new owner ends it"
    );
}

/// The response to an end may be lost. The same end again finds it done, unless the job has been claimed since.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_end_that_is_written_again_is_done(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (ended, requeued) = (all.insert(3, None).await, all.insert(3, None).await);
    all.claim_many(&[ended, requeued].map(starting)).await;
    let fence = Fence { job: requeued, number: 1 };
    jobs::retry(&mut *all.conn().await, fence, all.now(), "failed").await.unwrap();
    for _ in 0..2 {
        assert_eq!(all.complete_many(1, &[ended, requeued]).await, BTreeSet::from([ended]));
    }
    all.claim(requeued).await.unwrap();
    assert_eq!(all.complete_many(2, &[requeued]).await, BTreeSet::from([requeued]));
    assert!(all.complete_many(1, &[requeued]).await.is_empty(), "of the first claim nothing was done");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn running_jobs_whose_leases_have_expired_are_found(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (waiting, ended, first, second) = (
        all.insert(3, None).await,
        all.insert(3, None).await,
        all.insert(3, None).await,
        all.insert(3, None).await,
    );
    all.claim_many(&[ended, first].map(starting)).await;
    all.complete_many(1, &[ended]).await;
    all.clock.advance(TimeDelta::seconds(20));
    all.claim(second).await.unwrap();
    let expired = async |after: i64| {
        let at = all.now() + TimeDelta::seconds(after);
        let found = jobs::list_expired(&mut *all.conn().await, at, 10).await.unwrap();
        found.into_iter().map(|lease| lease.fence.job).collect::<Vec<_>>()
    };
    assert!(expired(0).await.is_empty());
    assert_eq!(expired(11).await, [first]);
    assert_eq!(expired(31).await, [first, second], "the one that expired first, first");
    assert_eq!(all.row(waiting).await.state, JobState::Queued);
}

/// Jobs are deleted by the time of their end, whenever they were due, and also those that an earlier release ended.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn ended_jobs_are_pruned_by_the_time_of_their_end(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let old = all.insert(3, None).await;
    let cancelled = all.insert_at(all.now() + TimeDelta::days(365), 3, None).await.unwrap();
    let (waiting, by_old_release) = (all.insert(3, None).await, all.insert(3, None).await);
    all.claim_many(&[starting(old)]).await;
    all.complete_many(1, &[old]).await;
    assert!(jobs::cancel(&mut *all.conn().await, cancelled, "not wanted", all.now()).await.unwrap());
    let young = all.insert(3, None).await;
    all.claim_many(&[starting(young)]).await;
    all.clock.advance(TimeDelta::days(8));
    all.complete_many(1, &[young]).await;
    sqlx::query("UPDATE jobs SET state = 'done', finished_at = ? WHERE id = ?")
        .bind(all.now())
        .bind(by_old_release.to_string())
        .execute(&all.pool)
        .await
        .unwrap();

    let before = all.now() - TimeDelta::days(7);
    let mut conn = all.conn().await;
    for state in [JobState::Done, JobState::Cancelled, JobState::Dead] {
        let pruned = jobs::prune(&mut conn, state, before, 100).await.unwrap();
        assert_eq!(pruned, u64::from(state != JobState::Dead), "{state}");
    }
    drop(conn);
    for id in [waiting, young, by_old_release] {
        all.row(id).await;
    }
}

/// What is read of waiting jobs is read from an index, and pruning reads no job that it keeps.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn reads_of_waiting_and_of_old_jobs_are_served_by_an_index(pool: MySqlPool) {
    let all = Fixture::on(pool);
    for _ in 0..60 {
        let id = all.insert(3, None).await;
        all.claim_many(&[starting(id)]).await;
        all.complete_many(1, &[id]).await;
    }
    for _ in 0..50 {
        all.insert(3, None).await;
    }
    let mut conn = all.conn().await;
    let begin = DateTime::UNIX_EPOCH;
    let slice = jobs::count_slice(&mut conn, JobState::Queued, begin, 100, all.now()).await.unwrap();
    let counted: Vec<_> = slice.depths.iter().map(|depth| (depth.due, depth.count)).collect();
    assert_eq!((counted, slice.next), (vec![(true, 50)], None));
    let read = rows_read(&mut conn).await;
    let pruned = jobs::prune(&mut conn, JobState::Done, all.now() - TimeDelta::days(7), 100).await.unwrap();
    let read = rows_read(&mut conn).await - read;
    assert_eq!(pruned, 0);
    assert!(read < 50, "{read} rows were read");
}

/// Rows that the session has read, counted by the server.
async fn rows_read(conn: &mut Conn) -> u64 {
    use sqlx::Row as _;
    let counters = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(conn).await.unwrap();
    counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
}
