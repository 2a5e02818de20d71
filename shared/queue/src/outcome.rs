//! Outcome of an attempt.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::{Contention, StoreError};

/// Delay of a retry after the wait for a lock reached the session's limit. The winner of a race commits; the next run reads its
/// state.
const LOCK_WAIT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A successful attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// The work is done.
    Done,
    /// There was nothing to do, for this reason.
    Skip(Cow<'static, str>),
    /// Run again at this time, without counting the attempt.
    Snooze {
        /// Earliest time of the next attempt.
        until: DateTime<Utc>,
        /// Reason for waiting.
        reason: Cow<'static, str>,
    },
}

impl JobOutcome {
    /// Nothing to do, for this reason.
    pub fn skip(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Skip(reason.into())
    }

    /// Run again at `until`.
    pub fn snooze(until: DateTime<Utc>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Snooze { until, reason: reason.into() }
    }
}

/// A failed attempt. Reasons are visible to operators: no secrets, no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Retry after `after` or the policy's delay.
    #[error("{reason}")]
    Retry {
        /// Reason of the failure.
        reason: String,
        /// Overrides the policy's delay.
        after: Option<Duration>,
    },
    /// A limit or a service requires a delay. The attempt is not counted.
    #[error("{reason}")]
    Wait {
        /// Delay until the next attempt.
        after: Duration,
        /// Reason for waiting.
        reason: String,
    },
    /// A transaction lost a race and was rolled back. The executor repeats the handler without counting an attempt.
    #[error("{reason}")]
    Contended {
        /// The database's error.
        reason: String,
    },
    /// Retrying is useless: the job becomes dead.
    #[error("{reason}")]
    GiveUp {
        /// Reason of the failure.
        reason: String,
    },
    /// Another worker has taken the job; this one must not write any more.
    #[error("the lease was lost")]
    LeaseLost,
}

impl JobError {
    /// Retry after the policy's delay.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }

    /// Retrying is useless.
    pub fn give_up(reason: impl Into<String>) -> Self {
        Self::GiveUp { reason: reason.into() }
    }

    /// For the transaction after a call that the next run repeats: if the database rolled it back, the job waits for `after`, which
    /// costs no attempt, instead of running again at once.
    #[must_use]
    pub fn wait_if_rolled_back(self, after: Duration) -> Self {
        match self {
            Self::Contended { reason } => Self::Wait { after, reason },
            Self::Retry { reason, after: Some(delay) } if delay == LOCK_WAIT_RETRY_DELAY => {
                Self::Wait { after, reason }
            }
            other => other,
        }
    }
}

/// Result of a handler.
pub type JobResult = Result<JobOutcome, JobError>;

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidRow { .. } => Self::give_up(error.to_string()),
            StoreError::Conflict(ref cause) if StoreError::is_lock_wait_timeout(cause) => {
                Self::Retry { reason: error.to_string(), after: Some(LOCK_WAIT_RETRY_DELAY) }
            }
            StoreError::Conflict(_) => Self::Contended { reason: error.to_string() },
            StoreError::Duplicate { .. }
            | StoreError::WrongState { .. }
            | StoreError::Database(_)
            // A release with a fix may be deployed before the attempts are used up.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transaction_that_was_rolled_back_makes_a_job_wait() {
        let (after, reason) = (Duration::from_secs(10), "1213".to_owned());
        let wait = JobError::Wait { after, reason: reason.clone() };
        for rolled_back in [
            JobError::Contended { reason: reason.clone() },
            JobError::Retry { reason: reason.clone(), after: Some(LOCK_WAIT_RETRY_DELAY) },
        ] {
            assert_eq!(rolled_back.wait_if_rolled_back(after), wait);
        }
        for other in [
            JobError::retry("status 500"),
            JobError::Retry { reason, after: Some(after) },
            JobError::give_up("invalid"),
            JobError::LeaseLost,
        ] {
            assert_eq!(other.clone().wait_if_rolled_back(after), other);
        }
    }
}
