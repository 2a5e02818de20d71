//! How a run of a job ends.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::{Contention, StoreError};

/// The run ended as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The effect is there.
    Done,
    /// There was nothing to do, and why.
    Skip(Cow<'static, str>),
    /// Not yet: run again at this time, without counting this start.
    Snooze {
        /// Not before.
        until: DateTime<Utc>,
        /// What is waited for.
        reason: Cow<'static, str>,
    },
}

impl Verdict {
    /// Nothing to do.
    pub fn skip(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Skip(reason.into())
    }

    /// Not yet.
    pub fn snooze(until: DateTime<Utc>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Snooze { until, reason: reason.into() }
    }
}

/// The run failed. Reasons are shown to operators: no secret, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Worth another attempt, after `after` or the policy's delay.
    #[error("{reason}")]
    Retry {
        /// What went wrong.
        reason: String,
        /// Overrides the policy's delay.
        after: Option<Duration>,
    },
    /// Not our turn: a limit or the other side says later. Costs no attempt.
    #[error("{reason}")]
    Wait {
        /// For how long.
        after: Duration,
        /// What is waited for.
        reason: String,
    },
    /// The database rolled a transaction back that lost a race: the engine runs the handler again, which costs no attempt.
    #[error("{reason}")]
    Contended {
        /// What the database said.
        reason: String,
    },
    /// No attempt will ever succeed.
    #[error("{reason}")]
    GiveUp {
        /// Why.
        reason: String,
    },
    /// Another worker holds the job now: nothing may be written any more.
    #[error("the lease was taken away")]
    LeaseLost,
}

impl JobError {
    /// Worth another attempt after the policy's delay.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }

    /// No attempt will ever succeed.
    pub fn give_up(reason: impl Into<String>) -> Self {
        Self::GiveUp { reason: reason.into() }
    }
}

/// What a handler gives.
pub type JobResult = Result<Verdict, JobError>;

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { .. } => Self::give_up(error.to_string()),
            // Lost races end with whoever won; the next run sees the winner's state.
            StoreError::Contended(ref cause) if StoreError::is_lock_wait_timeout(cause) => {
                Self::Retry { reason: error.to_string(), after: Some(Duration::from_millis(50)) }
            }
            StoreError::Contended(_) => Self::Contended { reason: error.to_string() },
            StoreError::Taken { .. }
            | StoreError::Stale { .. }
            | StoreError::Database(_)
            // The release that mends it may come before the attempts are used up.
            | StoreError::Defect(_) => Self::retry(error.to_string()),
        }
    }
}

impl Contention for JobError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Contended { .. })
    }
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}
