//! Errors of YandexGPT and what the caller may do.

use std::time::Duration;

use flysk_domain::failure_action::FailureAction;

use crate::http::{Malformed, ReadError};
use crate::yandex::{Status, StatusKind};

/// A completion failed.
#[derive(Debug, thiserror::Error)]
pub enum YandexGptError {
    /// No complete response.
    #[error("YandexGPT: no complete response")]
    NoAnswer(#[from] ReadError),
    /// YandexGPT refused the request.
    #[error("YandexGPT: refused ({status})")]
    Refused {
        /// Error status of the service.
        status: Status,
        /// Delay from `Retry-After`, if present.
        after: Option<Duration>,
    },
    /// A success whose body does not match the documentation.
    #[error("YandexGPT: unreadable response")]
    Unreadable(#[from] Malformed),
    /// A success without a completion.
    #[error("YandexGPT: empty response")]
    Empty,
}

impl YandexGptError {
    /// Action that the caller may take. Never [`FailureAction::Unknown`]: repeating a completion only costs tokens.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::NoAnswer(_) | Self::Unreadable(_) | Self::Empty => FailureAction::RETRY,
            Self::Refused { status, after } => match status.kind() {
                StatusKind::ResourceExhausted => FailureAction::Wait { after: *after },
                StatusKind::DeadlineExceeded | StatusKind::Unavailable => {
                    FailureAction::Retry { after: *after }
                }
                _ => FailureAction::GiveUp,
            },
        }
    }
}
