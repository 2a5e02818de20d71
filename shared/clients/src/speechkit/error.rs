//! Errors of SpeechKit and what the caller may do.

use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::stream::StreamError;

use super::RequestFailure;
use crate::http::{Malformed, ReadError};
use crate::yandex::{Status, StatusKind};

/// A request to SpeechKit failed.
#[derive(Debug, thiserror::Error)]
pub enum SpeechKitError {
    /// No complete response to a read, which may be repeated.
    #[error("SpeechKit: no complete response")]
    NoAnswer(#[source] ReadError),
    /// The response to a submit was lost: a paid recognition with an unknown id may be running.
    #[error("SpeechKit: no readable response to a submit")]
    SubmitLost(#[source] LostSubmit),
    /// The result is not ready yet; this may last a moment after the operation is done.
    #[error("SpeechKit: not ready")]
    NotReady,
    /// The operation does not exist, or its result was deleted or is older than three days.
    #[error("SpeechKit: no such operation or result ({0})")]
    NotFound(Status),
    /// The file has more than one channel: submit it again without speaker labeling.
    #[error("SpeechKit: speaker labeling requires a mono file ({0})")]
    LabelingNeedsMono(Status),
    /// The service account may not use language models: submit again without summarization.
    #[error("SpeechKit: no access to language models ({0})")]
    SummarizationDenied(Status),
    /// The request, the link or the file is invalid.
    #[error("SpeechKit: refused ({0})")]
    Invalid(Status),
    /// The credential is invalid or lacks a role.
    #[error("SpeechKit: access denied ({0})")]
    Denied(Status),
    /// A quota is exceeded.
    #[error("SpeechKit: quota exceeded ({status})")]
    Quota {
        /// Error status of the service.
        status: Status,
        /// Delay from `Retry-After`, if present; the header is not documented.
        after: Option<Duration>,
    },
    /// The service is unavailable.
    #[error("SpeechKit: not available ({0})")]
    Unavailable(Status),
    /// A success whose body is not an operation.
    #[error("SpeechKit: unreadable response")]
    Unreadable(#[from] Malformed),
    /// The stream of results is malformed, or ends with an error.
    #[error("SpeechKit: unusable result")]
    Stream(#[source] StreamError),
}

/// Cause of a lost response to a submit.
#[derive(Debug, thiserror::Error)]
pub enum LostSubmit {
    /// The response is missing or incomplete.
    #[error(transparent)]
    NoAnswer(ReadError),
    /// The service failed or timed out inside, or a proxy lost its response.
    #[error("{0}")]
    GaveUp(Status),
    /// The response contains no operation.
    #[error(transparent)]
    Unreadable(Malformed),
}

impl SpeechKitError {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::NotReady => FailureAction::WAIT,
            Self::Quota { after, .. } => FailureAction::Wait { after: *after },
            Self::SubmitLost(_) => FailureAction::Unknown,
            // Only a part of the request is refused; the caller may submit without that part.
            Self::LabelingNeedsMono(_)
            | Self::SummarizationDenied(_)
            | Self::NotFound(_)
            | Self::Invalid(_)
            | Self::Denied(_) => FailureAction::GiveUp,
            Self::NoAnswer(_) | Self::Unavailable(_) | Self::Unreadable(_) | Self::Stream(_) => {
                FailureAction::RETRY
            }
        }
    }

    /// Maps the error of a read, which may be repeated.
    pub(super) fn of_question(failure: RequestFailure) -> Self {
        match failure {
            RequestFailure::NoAnswer(error) => Self::NoAnswer(error),
            RequestFailure::Status(status, after) => Self::of_status(status, after),
        }
    }

    /// Maps the error of a submit. There is no idempotency key, so the outcome of a lost response is unknown.
    pub(super) fn of_submit(failure: RequestFailure) -> Self {
        match failure {
            RequestFailure::NoAnswer(ReadError::Transport(transport)) if !transport.may_have_arrived() => {
                Self::NoAnswer(transport.into())
            }
            RequestFailure::NoAnswer(error) => Self::SubmitLost(LostSubmit::NoAnswer(error)),
            RequestFailure::Status(status, after) => match Self::of_status(status, after) {
                Self::Unavailable(status) | Self::Invalid(status) if status.leaves_doubt() => {
                    Self::SubmitLost(LostSubmit::GaveUp(status))
                }
                refused => refused,
            },
        }
    }

    /// Maps the error of reading a result. An error inside the stream counts like an error status.
    pub(super) fn of_stream(error: StreamError) -> Self {
        match error {
            StreamError::Refused { code, message } => Self::of_status(Status::of_grpc(code, &message), None),
            broken => Self::Stream(broken),
        }
    }

    fn of_status(status: Status, after: Option<Duration>) -> Self {
        match status.kind() {
            _ if status.says("speaker labeling is only for mono") => Self::LabelingNeedsMono(status),
            _ if status.says("access to language models denied") => Self::SummarizationDenied(status),
            StatusKind::NotFound if status.says("not ready") => Self::NotReady,
            StatusKind::NotFound => Self::NotFound(status),
            StatusKind::InvalidArgument | StatusKind::Other => Self::Invalid(status),
            StatusKind::PermissionDenied | StatusKind::Unauthenticated => Self::Denied(status),
            StatusKind::ResourceExhausted => Self::Quota { status, after },
            StatusKind::DeadlineExceeded | StatusKind::Unavailable => Self::Unavailable(status),
        }
    }
}

/// Error of an operation that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recognition failed: {0}")]
pub struct FailedOperation(pub Status);

impl FailedOperation {
    /// Action that the caller may take. A retry submits the file again, which costs money again.
    pub fn outcome(&self) -> FailureAction {
        match self.0.kind() {
            StatusKind::DeadlineExceeded | StatusKind::Unavailable => FailureAction::RETRY,
            StatusKind::ResourceExhausted => FailureAction::WAIT,
            _ => FailureAction::GiveUp,
        }
    }
}
