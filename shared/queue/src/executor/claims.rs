//! Claims of many jobs at once, ahead of their start, and their return.

use std::time::Duration;

use flysk_domain::id::JobId;
use flysk_store::jobs::{self, Claim, Lease};
use flysk_store::{StoreResult, answered, repeat_contended};

use super::Executor;
use super::active_jobs::ActiveJob;

/// Delay before a wake-up whose job was not claimed is pushed again, so that this one has left Redis by then.
const POSTPONED_PUSH_DELAY: Duration = Duration::from_millis(250);

/// A claimed job whose lease is renewed until this is dropped.
#[derive(Debug)]
pub struct ClaimedJob {
    pub(super) lease: Lease,
    pub(super) active: ActiveJob,
}

impl ClaimedJob {
    /// Row of `jobs`.
    pub fn id(&self) -> JobId {
        self.lease.fence.job
    }
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// Keeps the lease of a claimed job renewed.
    pub(crate) fn track(&self, lease: Lease) -> ClaimedJob {
        let active = self.active_jobs.track(lease.fence);
        ClaimedJob { lease, active }
    }

    /// Claims those of `wanted` that can be claimed together, in one transaction; the others must be claimed one by one
    /// ([`jobs::claim_many`] tells which these are).
    ///
    /// # Errors
    ///
    /// The database failed. Then none is claimed.
    pub async fn claim_many(&self, wanted: &[Claim]) -> StoreResult<Vec<ClaimedJob>> {
        let claim = || async {
            let now = self.clock().now();
            let mut tx = flysk_store::begin(self.outbox.pool()).await?;
            let leases =
                jobs::claim_many(&mut tx, wanted, &self.owner, now + self.lease_config.ttl, now).await?;
            if !leases.is_empty() {
                tx.commit().await?;
            }
            StoreResult::Ok(leases)
        };
        let leases = repeat_contended(|| answered(claim())).await?;
        Ok(leases.into_iter().map(|lease| self.track(lease)).collect())
    }

    /// Requeues a job that was claimed and not started; one that had never been started before, as if it had not been claimed.
    pub(crate) async fn release_claim(&self, job: ClaimedJob) {
        let ClaimedJob { lease, active: _active } = job;
        let release = || async {
            let (mut conn, now) = (self.conn().await?, self.clock().now());
            if lease.never_started {
                jobs::release_unstarted(&mut conn, lease.fence, lease.run_at, now).await
            } else {
                jobs::release(&mut conn, lease.fence, now).await
            }
        };
        if let Err(error) = repeat_contended(|| answered(release())).await {
            tracing::warn!(job.id = %lease.fence.job, error = %error, "failed to release a claimed job; its lease will expire");
        }
    }

    /// Has the wake-up of a job that was not claimed pushed again, before this one is acknowledged. Otherwise the job would wait
    /// until relays push again what was not claimed.
    pub(crate) async fn postpone(&self, job: JobId) -> StoreResult<()> {
        let postpone = || async {
            let at = self.clock().now() + POSTPONED_PUSH_DELAY;
            jobs::defer_push(&mut *self.conn().await?, &[job], at).await
        };
        repeat_contended(|| answered(postpone())).await
    }

    /// Has the wake-up of a job that could not be claimed pushed again when the job is due, if it waits. The clock of the
    /// process that pushed it is ahead of this one's, as after a pause of this machine. Otherwise the job would wait until
    /// relays push again what was not claimed.
    pub(crate) async fn push_when_due(&self, job: JobId) -> StoreResult<()> {
        let push = || async {
            let not_before = self.clock().now() + POSTPONED_PUSH_DELAY;
            jobs::push_when_due(&mut *self.conn().await?, job, not_before).await
        };
        repeat_contended(|| answered(push())).await
    }
}
