//! Errors of Object Storage and what the caller may do.

use std::error::Error as StdError;
use std::io;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use flysk_domain::failure_action::FailureAction;

type Source = Box<dyn StdError + Send + Sync>;

/// A request to Object Storage failed. All requests are idempotent: puts and deletes set a state.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The object or the bucket does not exist.
    #[error("storage: not found ({0})")]
    NotFound(Rejection),
    /// The access key is invalid or lacks permissions.
    #[error("storage: access denied ({0})")]
    Denied(Rejection),
    /// The range begins after the object's end.
    #[error("storage: no such range ({0})")]
    NoSuchRange(Rejection),
    /// Throttling or a server error of the service.
    #[error("storage: not available ({0})")]
    Unavailable(Rejection),
    /// Any other refusal.
    #[error("storage: refused ({0})")]
    Refused(Rejection),
    /// No complete response in time.
    #[error("storage: no complete response")]
    NoAnswer(#[source] Source),
    /// The request could not be built: an invalid key or endpoint.
    #[error("storage: cannot build the request")]
    Invalid(#[source] Source),
    /// Reading the local file failed.
    #[error("storage: I/O error of the local file")]
    File(#[source] io::Error),
}

/// An error response of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// Code: `NoSuchKey`, `SlowDown`, …; empty if the response has no body.
    pub code: String,
    /// Request id, for questions to the service's support.
    pub request_id: Option<String>,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl StorageError {
    /// What the caller may do.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::NoAnswer(_) | Self::Unavailable(_) | Self::File(_) => FailureAction::RETRY,
            Self::NotFound(_)
            | Self::Denied(_)
            | Self::NoSuchRange(_)
            | Self::Refused(_)
            | Self::Invalid(_) => FailureAction::GiveUp,
        }
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

impl<E> From<SdkError<E>> for StorageError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let request_id = error.request_id().map(str::to_owned);
        match error {
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or_default().to_owned();
                Self::of_rejection(Rejection { status: refusal.raw().status().as_u16(), code, request_id })
            }
            SdkError::ConstructionFailure(_) => Self::Invalid(Box::new(error)),
            _ => Self::NoAnswer(Box::new(error)),
        }
    }
}

impl StorageError {
    fn of_rejection(rejection: Rejection) -> Self {
        match (rejection.status, rejection.code.as_str()) {
            (_, "SlowDown" | "RequestTimeout" | "RequestTimeTooSkewed") | (408 | 429 | 500..=599, _) => {
                Self::Unavailable(rejection)
            }
            (404, _) => Self::NotFound(rejection),
            (401 | 403, _) => Self::Denied(rejection),
            (416, _) => Self::NoSuchRange(rejection),
            _ => Self::Refused(rejection),
        }
    }
}
