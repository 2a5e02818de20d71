//! What goes wrong with Object Storage, and what it means.

use std::error::Error as StdError;
use std::io;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use flysk_domain::platform::outcome::Outcome;

type Source = Box<dyn StdError + Send + Sync>;

/// A call of Object Storage failed. Everything here may be repeated: puts and deletes set a state.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No such object (or bucket).
    #[error("storage: not found ({0})")]
    NotFound(Rejection),
    /// The key is not accepted, or may not do this.
    #[error("storage: access denied ({0})")]
    Denied(Rejection),
    /// The range begins behind the object's end.
    #[error("storage: no such range ({0})")]
    NoSuchRange(Rejection),
    /// Too many requests, or the service is ill.
    #[error("storage: not available ({0})")]
    Unavailable(Rejection),
    /// Any other refusal.
    #[error("storage: refused ({0})")]
    Refused(Rejection),
    /// No whole answer in time.
    #[error("storage: no whole answer")]
    NoAnswer(#[source] Source),
    /// The request could not even be made: a wrong key or endpoint.
    #[error("storage: the request cannot be made")]
    Invalid(#[source] Source),
    /// Our own disk.
    #[error("storage: the local file failed")]
    File(#[source] io::Error),
}

/// A refusal in the service's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// `NoSuchKey`, `SlowDown`, …; empty when the answer has no body.
    pub code: String,
    /// For the service's support.
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
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoAnswer(_) | Self::Unavailable(_) | Self::File(_) => Outcome::RETRY,
            Self::NotFound(_)
            | Self::Denied(_)
            | Self::NoSuchRange(_)
            | Self::Refused(_)
            | Self::Invalid(_) => Outcome::GiveUp,
        }
    }

    /// The object is not there.
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
