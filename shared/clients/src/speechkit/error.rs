//! What goes wrong with SpeechKit, and what it means.

use std::time::Duration;

use flysk_domain::flysense::stream::StreamError;
use flysk_domain::platform::outcome::Outcome;

use super::Failure;
use crate::http::{Malformed, ReadError};
use crate::yandex::{Status, StatusKind};

/// A call of SpeechKit failed.
#[derive(Debug, thiserror::Error)]
pub enum SpeechKitError {
    /// No whole answer to a question that may be asked again.
    #[error("SpeechKit: no whole answer")]
    NoAnswer(#[source] ReadError),
    /// A submit whose answer is lost: a recognition may run, and be paid, that we cannot name.
    #[error("SpeechKit: a submit got no readable answer")]
    SubmitLost(#[source] LostSubmit),
    /// The result is not there yet, also for a moment after the operation is done.
    #[error("SpeechKit: not ready")]
    NotReady,
    /// No such operation, or its result is deleted or older than three days.
    #[error("SpeechKit: no such operation or result ({0})")]
    NotFound(Status),
    /// The file has more than one channel: submit again without labeling.
    #[error("SpeechKit: labeling is for mono only ({0})")]
    LabelingNeedsMono(Status),
    /// The account may not use language models: submit again without summarization.
    #[error("SpeechKit: no access to language models ({0})")]
    SummarizationDenied(Status),
    /// The request, the link or the file is not acceptable.
    #[error("SpeechKit: refused ({0})")]
    Invalid(Status),
    /// The credential is not accepted, or lacks a role.
    #[error("SpeechKit: access denied ({0})")]
    Denied(Status),
    /// A quota is used up.
    #[error("SpeechKit: quota used up ({status})")]
    Quota {
        /// In the service's words.
        status: Status,
        /// If the service says so; no such header is documented.
        after: Option<Duration>,
    },
    /// The service is ill or away.
    #[error("SpeechKit: not available ({0})")]
    Unavailable(Status),
    /// A success that is no operation.
    #[error("SpeechKit: unreadable answer")]
    Unreadable(#[from] Malformed),
    /// The stream of results is broken, or breaks off with an error.
    #[error("SpeechKit: unusable result")]
    Stream(#[source] StreamError),
}

/// How a submit's answer was lost.
#[derive(Debug, thiserror::Error)]
pub enum LostSubmit {
    /// It did not come whole.
    #[error(transparent)]
    NoAnswer(ReadError),
    /// The service gave up waiting for itself.
    #[error("{0}")]
    GaveUp(Status),
    /// It names no operation.
    #[error(transparent)]
    Unreadable(Malformed),
}

impl SpeechKitError {
    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotReady => Outcome::WAIT,
            Self::Quota { after, .. } => Outcome::Wait { after: *after },
            Self::SubmitLost(_) => Outcome::Unknown,
            // Where only a part of the request is refused, one without that part may be sent instead.
            Self::LabelingNeedsMono(_)
            | Self::SummarizationDenied(_)
            | Self::NotFound(_)
            | Self::Invalid(_)
            | Self::Denied(_) => Outcome::GiveUp,
            Self::NoAnswer(_) | Self::Unavailable(_) | Self::Unreadable(_) | Self::Stream(_) => {
                Outcome::RETRY
            }
        }
    }

    /// A question failed. Questions may be repeated.
    pub(super) fn of_question(failure: Failure) -> Self {
        match failure {
            Failure::NoAnswer(error) => Self::NoAnswer(error),
            Failure::Status(status, after) => Self::of_status(status, after),
        }
    }

    /// A submit failed. There is no idempotency key, so a lost answer stays unknown.
    pub(super) fn of_submit(failure: Failure) -> Self {
        match failure {
            Failure::NoAnswer(ReadError::Transport(transport)) if !transport.may_have_arrived() => {
                Self::NoAnswer(transport.into())
            }
            Failure::NoAnswer(error) => Self::SubmitLost(LostSubmit::NoAnswer(error)),
            Failure::Status(status, _) if status.kind() == StatusKind::DeadlineExceeded => {
                Self::SubmitLost(LostSubmit::GaveUp(status))
            }
            Failure::Status(status, after) => Self::of_status(status, after),
        }
    }

    /// A result could not be read. An error inside the stream is an error like any other.
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

/// Why an operation ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recognition failed: {0}")]
pub struct FailedOperation(pub Status);

impl FailedOperation {
    /// Submitting the same file again may go well: the fault was not in it. Costs money again.
    pub fn outcome(&self) -> Outcome {
        match self.0.kind() {
            StatusKind::DeadlineExceeded | StatusKind::Unavailable => Outcome::RETRY,
            StatusKind::ResourceExhausted => Outcome::WAIT,
            _ => Outcome::GiveUp,
        }
    }
}
