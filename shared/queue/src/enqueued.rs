//! What a process has enqueued, for a caller in the same process that runs the jobs itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flysk_domain::id::JobId;

/// A job that is due since the commit that enqueued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnqueuedJob {
    /// Row of `jobs`.
    pub id: JobId,
    /// Kind from the catalogue.
    pub kind: &'static str,
    /// Arguments of the handler.
    pub payload: serde_json::Value,
}

/// The due jobs that the outboxes of this process have enqueued, until they are taken. Clones share them.
///
/// They are hints, as wake-ups are: a job may have been cancelled meanwhile, and what other processes enqueue, or what becomes due
/// later, is not among them.
#[derive(Debug, Clone, Default)]
pub struct EnqueuedJobs(Arc<Mutex<Vec<EnqueuedJob>>>);

impl EnqueuedJobs {
    /// Takes the jobs, in the order of the commits.
    pub fn take(&self) -> Vec<EnqueuedJob> {
        std::mem::take(&mut *self.locked())
    }

    pub(crate) fn add(&self, jobs: Vec<EnqueuedJob>) {
        self.locked().extend(jobs);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<EnqueuedJob>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
