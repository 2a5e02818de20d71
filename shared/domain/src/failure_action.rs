//! Consequence of a failed call to an outside service.

use std::time::Duration;

/// Action that the caller of an outside service may take after a failure.
///
/// Every client error maps to one of these, so that the rules of a service are defined once, in its client, and job
/// handlers do not interpret HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// The call had no effect or is safe to repeat: try again. Counts as an attempt.
    Retry {
        /// Delay requested by the service; `None` uses the backoff of the job's kind.
        after: Option<Duration>,
    },
    /// A rate limit or the service asks to wait: the work is fine, so no attempt is counted.
    Wait {
        /// Minimum delay; `None` uses the backoff of the job's kind.
        after: Option<Duration>,
    },
    /// The same call can never succeed.
    GiveUp,
    /// The call may have had its effect although the response was lost: query the service before acting again.
    Unknown,
}

impl FailureAction {
    /// Retry with the kind's own backoff.
    pub const RETRY: Self = Self::Retry { after: None };
    /// Wait with the kind's own backoff.
    pub const WAIT: Self = Self::Wait { after: None };

    /// The minimum delay, if one is given.
    pub fn after(self) -> Option<Duration> {
        match self {
            Self::Retry { after } | Self::Wait { after } => after,
            Self::GiveUp | Self::Unknown => None,
        }
    }
}
