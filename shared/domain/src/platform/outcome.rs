//! What a failed call to an outside service means for the work that made it.

use std::time::Duration;

/// What the caller of an outside service may do after it failed.
///
/// Every client error maps to one of these, so that the rules of each service are written once, beside
/// the service, and a job handler never looks at an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing happened there, or doing it twice is harmless: try again. Costs an attempt.
    Retry {
        /// When the other side named a time; otherwise the kind's own schedule decides.
        after: Option<Duration>,
    },
    /// A limit, or the other side, says "later": the work is fine, so this costs no attempt.
    Wait {
        /// How long at least; otherwise the kind's own schedule decides.
        after: Option<Duration>,
    },
    /// The same call will never succeed.
    GiveUp,
    /// The call may have had its effect although its answer was lost: ask the other side before acting again.
    Unknown,
}

impl Outcome {
    /// Try again on the kind's own schedule.
    pub const RETRY: Self = Self::Retry { after: None };
    /// Wait on the kind's own schedule.
    pub const WAIT: Self = Self::Wait { after: None };

    /// The shortest time to let pass, if one is known.
    pub fn after(self) -> Option<Duration> {
        match self {
            Self::Retry { after } | Self::Wait { after } => after,
            Self::GiveUp | Self::Unknown => None,
        }
    }
}
