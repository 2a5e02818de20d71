//! What a handler is given: one start of one job.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_store::jobs::{self, Lease};

use super::verdict::{JobError, JobResult, Verdict};
use crate::outbox::{Outbox, Unit};

/// One start of one job, with the right to write while its lease holds.
#[derive(Debug)]
pub struct Run {
    lease: Lease,
    outbox: Outbox,
    ended: AtomicBool,
}

impl Run {
    pub(crate) fn new(lease: Lease, outbox: Outbox) -> Self {
        Self { lease, outbox, ended: AtomicBool::new(false) }
    }

    /// Now, by the runtime's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.outbox.clock().now()
    }

    /// Which start this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempt
    }

    /// Whether the policy allows another start after this one.
    pub fn is_last_attempt(&self) -> bool {
        self.lease.attempt >= self.lease.max_attempts
    }

    /// The job's id, for what outlives the run (limits, files).
    pub fn job_id(&self) -> flysk_domain::id::JobId {
        self.lease.fence.job
    }

    /// The thread the job hangs on.
    pub fn trace(&self) -> &Trace {
        &self.lease.trace
    }

    /// For reads outside a transaction.
    pub fn pool(&self) -> &flysk_store::Pool {
        self.outbox.pool()
    }

    /// Opens a transaction that holds the job's row: while it is open nobody can take the job away,
    /// and if somebody has already, it fails with [`JobError::LeaseLost`]. Never keep it open across
    /// a network call.
    pub async fn begin(&self) -> Result<Unit, JobError> {
        let mut unit = self.outbox.begin(self.lease.trace.clone()).await?;
        if jobs::lock_held(&mut unit, self.lease.fence).await? { Ok(unit) } else { Err(JobError::LeaseLost) }
    }

    /// Ends the job in the same transaction as its effect.
    pub async fn done(&self, mut unit: Unit) -> JobResult {
        jobs::complete(&mut unit, self.lease.fence, None, self.now()).await?;
        unit.commit().await?;
        self.ended.store(true, Ordering::SeqCst);
        Ok(Verdict::Done)
    }

    /// Whether [`Run::done`] has ended the job already.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}
