//! What a failed call of an outside service means for the job that made it: one mapping for all clients.

use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::JobError;
use flysk_store::StoreError;
use flysk_vault::VaultError;

/// A wait for which the other side named no time.
const UNNAMED_WAIT: Duration = Duration::from_secs(10);

/// The job's verdict on a failure of which the service's rules say `outcome`.
///
/// An unknown outcome is retried: only handlers whose second call would do harm treat it apart, and
/// they do so before they come here.
pub fn job_error(outcome: Outcome, reason: impl std::fmt::Display) -> JobError {
    let reason = reason.to_string();
    match outcome {
        Outcome::Retry { after } => JobError::Retry { reason, after },
        Outcome::Unknown => JobError::Retry { reason, after: None },
        Outcome::Wait { after } => JobError::Wait { after: after.unwrap_or(UNNAMED_WAIT), reason },
        Outcome::GiveUp => JobError::GiveUp { reason },
    }
}

/// An error that knows its outcome.
pub trait HasOutcome: std::fmt::Display {
    /// What the caller may do.
    fn outcome(&self) -> Outcome;

    /// The job's verdict.
    fn into_job_error(self) -> JobError
    where
        Self: Sized,
    {
        job_error(self.outcome(), &self)
    }
}

macro_rules! has_outcome {
    ($($error:ty),+ $(,)?) => {
        $(impl HasOutcome for $error {
            fn outcome(&self) -> Outcome {
                self.outcome()
            }
        })+
    };
}

has_outcome!(
    flysk_clients::amocrm::AmoError,
    flysk_clients::outbound::OutboundError,
    flysk_clients::platform::PlatformError,
    flysk_clients::speechkit::SpeechKitError,
    flysk_clients::storage::StorageError,
    flysk_clients::tbank::TBankError,
    flysk_clients::yandexgpt::YandexGptError,
);

impl HasOutcome for VaultError {
    fn outcome(&self) -> Outcome {
        self.outcome()
    }

    /// A race that was lost in the database is no failure of the job.
    fn into_job_error(self) -> JobError {
        match self {
            Self::Store(error @ StoreError::Contended(_)) => error.into(),
            error => job_error(error.outcome(), &error),
        }
    }
}
