//! The context of one attempt of a job, passed to its handler.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::jobs::{self, Lease};
use flysk_store::{StoreError, StoreResult};

use crate::outbox::{Outbox, UnitOfWork};
use crate::outcome::{JobError, JobOutcome, JobResult};

/// One attempt of one job. It may write while its lease is valid.
#[derive(Debug)]
pub struct JobContext {
    lease: Lease,
    started_at: DateTime<Utc>,
    outbox: Outbox,
    ended: AtomicBool,
}

impl JobContext {
    pub(crate) fn new(lease: Lease, outbox: Outbox) -> Self {
        Self { lease, started_at: outbox.clock().now(), outbox, ended: AtomicBool::new(false) }
    }

    /// Current time by the runtime's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.outbox.clock().now()
    }

    /// Number of the attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempt
    }

    /// Whether the policy allows no attempt after this one.
    pub fn is_last_attempt(&self) -> bool {
        self.lease.attempt >= self.lease.max_attempts
    }

    /// Id of the job, for anything that outlives the attempt (limits, files).
    pub fn job_id(&self) -> flysk_domain::id::JobId {
        self.lease.fence.job
    }

    /// Trace of the job: correlation id and traceparent.
    pub fn trace(&self) -> &Trace {
        &self.lease.trace
    }

    /// The pool, for reads outside a transaction.
    pub fn pool(&self) -> &flysk_store::Pool {
        self.outbox.pool()
    }

    /// Opens a transaction that locks the job's row, so that no other worker can take the job while it is open. Never
    /// keep it open during a network call.
    ///
    /// # Errors
    ///
    /// [`JobError::LeaseLost`] if another worker has taken the job.
    pub async fn begin(&self) -> Result<UnitOfWork, JobError> {
        self.begin_thread(self.lease.trace.clone()).await
    }

    /// [`JobContext::begin`] for work that has a trace of its own.
    ///
    /// # Errors
    ///
    /// As [`JobContext::begin`].
    pub async fn begin_thread(&self, trace: Trace) -> Result<UnitOfWork, JobError> {
        let mut unit = self.outbox.begin(trace).await?;
        if jobs::lock_if_owned(&mut unit, self.lease.fence).await? {
            Ok(unit)
        } else {
            Err(JobError::LeaseLost)
        }
    }

    /// Completes the job in the transaction of its effect.
    pub async fn done(&self, unit: UnitOfWork) -> JobResult {
        Ok(self.complete(unit).await?)
    }

    async fn complete(&self, mut unit: UnitOfWork) -> StoreResult<JobOutcome> {
        jobs::complete(&mut unit, self.lease.fence, None, self.now()).await?;
        unit.commit().await?;
        self.ended.store(true, Ordering::SeqCst);
        Ok(JobOutcome::Done)
    }

    /// Opens a transaction that is committed by the end of its job ([`JobContext::end`]) or not at all. It does not lock the job's
    /// row: another worker may take the job meanwhile, whose lease must have expired, and then the end finds that and nothing is
    /// committed. So it needs no write of [`JobContext::begin`]. For jobs that run in one transaction, or whose last one is short.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn begin_last(&self) -> StoreResult<LastUnit> {
        Ok(LastUnit(self.outbox.begin(self.lease.trace.clone()).await?))
    }

    /// Completes the job in the transaction of its effect.
    ///
    /// # Errors
    ///
    /// [`JobError::LeaseLost`] if another worker has taken the job: nothing is committed.
    pub async fn end(&self, unit: LastUnit) -> JobResult {
        match self.complete(unit.0).await {
            Err(StoreError::WrongState { .. }) => Err(JobError::LeaseLost),
            ended => Ok(ended?),
        }
    }

    /// Whether [`JobContext::done`] has already completed the job.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// When the attempt began in this process.
    pub(crate) fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// The last transaction of a job ([`JobContext::begin_last`]). Only [`JobContext::end`] commits it. Dropping it rolls back.
#[derive(Debug)]
pub struct LastUnit(UnitOfWork);

impl Deref for LastUnit {
    type Target = UnitOfWork;

    fn deref(&self) -> &UnitOfWork {
        &self.0
    }
}

impl DerefMut for LastUnit {
    fn deref_mut(&mut self) -> &mut UnitOfWork {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flysk_domain::{Clock as _, ManualClock};
    use flysk_store::cron_ticks;
    use sqlx::MySqlPool;

    use super::*;
    use crate::job_fixture::insert_job;

    const EFFECT: &str = "effect";

    /// The worker was frozen for longer than its lease, in the middle of its transaction.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn the_last_transaction_of_a_job_that_was_taken_commits_nothing(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let id = insert_job(&pool, &clock, "test.work", clock.now()).await;
        let mut conn = pool.acquire().await.unwrap();
        let (now, late) = (clock.now(), clock.now() + chrono::TimeDelta::minutes(1));
        let lease = jobs::claim(&mut conn, id, "frozen", now, now).await.unwrap().unwrap();

        let frozen = JobContext::new(lease.clone(), outbox.clone());
        let mut unit = frozen.begin_last().await.unwrap();
        assert!(cron_ticks::claim(&mut unit, EFFECT, now, now).await.unwrap());
        let fence = jobs::steal_expired(&mut conn, lease.fence, "other", late, late).await.unwrap();
        let fence = fence.expect("the row is not locked, and the lease is over");
        assert_eq!(frozen.end(unit).await, Err(JobError::LeaseLost));
        assert_eq!(cron_ticks::find_latest(&mut conn, EFFECT).await.unwrap(), None);

        let other = JobContext::new(Lease { fence, ..lease }, outbox);
        let mut unit = other.begin_last().await.unwrap();
        assert!(cron_ticks::claim(&mut unit, EFFECT, now, now).await.unwrap());
        assert_eq!(other.end(unit).await, Ok(JobOutcome::Done));
        assert_eq!(cron_ticks::find_latest(&mut conn, EFFECT).await.unwrap(), Some(now));
    }
}
