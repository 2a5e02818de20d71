//! The jobs whose leases a process renews.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flysk_domain::id::JobId;
use flysk_store::jobs::Fence;

/// Jobs that are claimed, run or end in this process. Clones share the set.
///
/// A job may be claimed again while its former end is being written. The fence numbers tell the two apart.
#[derive(Debug, Clone, Default)]
pub(super) struct ActiveJobs(Arc<Mutex<BTreeSet<Fence>>>);

impl ActiveJobs {
    /// Keeps the job's lease renewed until the result is dropped.
    pub(super) fn track(&self, fence: Fence) -> ActiveJob {
        self.fences().insert(fence);
        ActiveJob { jobs: self.clone(), fence }
    }

    pub(super) fn ids(&self) -> Vec<JobId> {
        self.fences().iter().map(|fence| fence.job).collect()
    }

    fn fences(&self) -> MutexGuard<'_, BTreeSet<Fence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one job in the set.
#[derive(Debug)]
pub(crate) struct ActiveJob {
    jobs: ActiveJobs,
    fence: Fence,
}

impl Drop for ActiveJob {
    fn drop(&mut self) {
        self.jobs.fences().remove(&self.fence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_claimed_again_stays_when_its_former_claim_ends() {
        let job: JobId = "job_00000000000000000000000001".parse().unwrap();
        let jobs = ActiveJobs::default();
        let former = jobs.track(Fence { job, number: 1 });
        let again = jobs.track(Fence { job, number: 2 });
        drop(former);
        assert_eq!(jobs.ids(), [job]);
        drop(again);
        assert!(jobs.ids().is_empty());
    }
}
