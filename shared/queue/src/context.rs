//! The context of one attempt of a job, passed to its handler.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::jobs::{self, Lease};

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
    pub async fn done(&self, mut unit: UnitOfWork) -> JobResult {
        jobs::complete(&mut unit, self.lease.fence, None, self.now()).await?;
        unit.commit().await?;
        self.ended.store(true, Ordering::SeqCst);
        Ok(JobOutcome::Done)
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
