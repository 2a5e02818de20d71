//! Maps failed calls of outside services to job errors; one mapping for all clients.

use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_queue::JobError;
use flysk_services::activation::ActivationError;
use flysk_services::transfers::TransferError;
use flysk_store::StoreError;
use flysk_tokens::VaultError;

/// Delay if the service answers without `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Converts a client's `outcome` to a job error.
///
/// An unknown outcome is retried. Handlers for which a repeated call would do harm must handle it before.
pub fn job_error(outcome: FailureAction, reason: impl std::fmt::Display) -> JobError {
    let reason = reason.to_string();
    match outcome {
        FailureAction::Retry { after } => JobError::Retry { reason, after },
        FailureAction::Unknown => JobError::Retry { reason, after: None },
        FailureAction::Wait { after } => {
            JobError::Wait { after: after.unwrap_or(DEFAULT_RETRY_AFTER), reason }
        }
        FailureAction::GiveUp => JobError::GiveUp { reason },
    }
}

/// An error of a client or of the vault that turns into a job error.
pub trait IntoJobError: std::fmt::Display {
    /// Action that the service's rules allow after the error.
    fn outcome(&self) -> FailureAction;

    /// Converts to a job error.
    fn into_job_error(self) -> JobError
    where
        Self: Sized,
    {
        job_error(self.outcome(), &self)
    }
}

macro_rules! into_job_error_for {
    ($($error:ty),+ $(,)?) => {
        $(impl IntoJobError for $error {
            fn outcome(&self) -> FailureAction {
                self.outcome()
            }
        })+
    };
}

into_job_error_for!(
    flysk_clients::amocrm::AmoError,
    flysk_clients::outbound::OutboundError,
    flysk_clients::flysk_api::FlyskApiError,
    flysk_clients::messenger::MessengerError,
    flysk_clients::speechkit::SpeechKitError,
    flysk_clients::storage::StorageError,
    flysk_clients::tbank::TBankError,
    flysk_clients::tbank::t_api::TApiError,
    flysk_clients::yandexgpt::YandexGptError,
);

impl IntoJobError for ActivationError {
    fn outcome(&self) -> FailureAction {
        FailureAction::RETRY
    }

    /// A lost race in the database does not count as a failure of the job.
    fn into_job_error(self) -> JobError {
        match self {
            Self::Store(error) => error.into(),
            error @ Self::Keyring(_) => job_error(error.outcome(), &error),
        }
    }
}

impl IntoJobError for TransferError {
    fn outcome(&self) -> FailureAction {
        FailureAction::RETRY
    }

    /// A lost race in the database does not count as a failure of the job.
    fn into_job_error(self) -> JobError {
        match self {
            Self::Store(error) => error.into(),
            error => job_error(error.outcome(), &error),
        }
    }
}

impl IntoJobError for VaultError {
    fn outcome(&self) -> FailureAction {
        self.outcome()
    }

    /// A lost race in the database does not count as a failure of the job.
    fn into_job_error(self) -> JobError {
        match self {
            Self::Store(error @ StoreError::Conflict(_)) => error.into(),
            error => job_error(error.outcome(), &error),
        }
    }
}
