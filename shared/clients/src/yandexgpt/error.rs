//! What goes wrong with YandexGPT, and what it means.

use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;

use crate::http::{Malformed, ReadError};
use crate::yandex::{Status, StatusKind};

/// A question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum YandexGptError {
    /// No whole answer.
    #[error("YandexGPT: no whole answer")]
    NoAnswer(#[from] ReadError),
    /// An answer that says no.
    #[error("YandexGPT: refused ({status})")]
    Refused {
        /// In the service's words.
        status: Status,
        /// If the service says so.
        after: Option<Duration>,
    },
    /// A success that is no answer.
    #[error("YandexGPT: unreadable answer")]
    Unreadable(#[from] Malformed),
    /// A success without a word.
    #[error("YandexGPT: empty answer")]
    Empty,
}

impl YandexGptError {
    /// What the caller may do. Nothing here is unknown: asking twice only costs tokens.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoAnswer(_) | Self::Unreadable(_) | Self::Empty => Outcome::RETRY,
            Self::Refused { status, after } => match status.kind() {
                StatusKind::ResourceExhausted => Outcome::Wait { after: *after },
                StatusKind::DeadlineExceeded | StatusKind::Unavailable => Outcome::Retry { after: *after },
                _ => Outcome::GiveUp,
            },
        }
    }
}
