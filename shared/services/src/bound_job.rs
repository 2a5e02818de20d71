//! Jobs that operators neither cancel nor postpone.

use flysk_jobs::flysense::erasure::EraseCalls;
use flysk_jobs::platform::panel::{EraseCustomer, RunBulkAct};
use flysk_queue::Job as _;

/// Work that stays half done without its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoundJob {
    /// A bulk act, which operators pause or stop on its page.
    BulkAct,
    /// An erasure of an account's data, for which the law sets a term.
    Erasure,
}

impl BoundJob {
    /// The work of a job of this kind; `None` if operators may cancel and postpone it.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            RunBulkAct::KIND => Some(Self::BulkAct),
            EraseCustomer::KIND | EraseCalls::KIND => Some(Self::Erasure),
            _ => None,
        }
    }
}
