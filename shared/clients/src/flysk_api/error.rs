//! Errors of the platform's API and what the caller may do.

use std::fmt;
use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use http::HeaderMap;
use serde_json::Value;

use crate::http::{Malformed, ReadError, request_id};

/// A request to the platform failed.
#[derive(Debug, thiserror::Error)]
pub enum FlyskApiError {
    /// No complete response.
    #[error("platform: no complete response")]
    NoAnswer(#[from] ReadError),
    /// The platform refused the request; with the delay from `Retry-After`, if present.
    #[error("platform: {0}")]
    Refused(Problem, Option<Duration>),
    /// A success whose body does not match the documentation.
    #[error("platform: unreadable response")]
    Unreadable(#[from] Malformed),
}

/// An error body of the platform (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable error code; empty if a proxy sent the response.
    pub code: String,
    /// Human-readable explanation.
    pub detail: String,
    /// Id of the request in the platform's logs.
    pub request_id: Option<String>,
}

/// Why Flycoins were not moved: refusals after which a caller goes another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum FlycoinRefusal {
    /// The widget is paid otherwise, or free: there is no wallet, and nothing to pay.
    #[strum(serialize = "flycoins_not_used")]
    NotUsed,
    /// The balance is too low. The same request succeeds after a top-up.
    InsufficientBalance,
    /// The account has not installed the widget.
    InstallNotFound,
    /// The install is not active: no new charges or holds.
    InstallNotActive,
    /// The widget has no such hold.
    UnknownHold,
    /// The account has no such charge.
    UnknownCharge,
    /// The hold was captured, released, or expired; [`hold_status`](super::FlyskApi::hold_status) returns which.
    HoldEnded,
    /// The refund exceeds the remainder of the charge.
    MoreThanCharged,
    /// The widget has no such service, or the service has no price.
    UnknownService,
    /// The key was used with another body.
    #[strum(serialize = "idempotency_key_reused")]
    KeyReused,
}

impl FlyskApiError {
    /// Action that the caller may take. Never [`FailureAction::Unknown`]: reads change nothing, and writes have an idempotency key,
    /// so repeating them moves no coins twice.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::NoAnswer(_) | Self::Unreadable(_) => FailureAction::RETRY,
            Self::Refused(problem, after) => match problem.status {
                // 402: the request is valid and succeeds after a top-up.
                402 | 429 => FailureAction::Wait { after: *after },
                408 | 500..=599 => FailureAction::Retry { after: *after },
                _ => FailureAction::GiveUp,
            },
        }
    }

    /// The platform's error code, if present.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem, _) if !problem.code.is_empty() => Some(&problem.code),
            _ => None,
        }
    }

    /// The refusal, if it is one of [`FlycoinRefusal`].
    pub fn flycoins(&self) -> Option<FlycoinRefusal> {
        self.code().and_then(|code| code.parse().ok())
    }
}

impl Problem {
    pub(super) fn read(status: u16, body: &[u8], headers: &HeaderMap) -> Self {
        const MAX_TEXT_CHARS: usize = 300;
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| -> String {
            body.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(MAX_TEXT_CHARS).collect()
        };
        Self { status, code: text("code"), detail: text("detail"), request_id: request_id(headers) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        for text in [&self.code, &self.detail] {
            if !text.is_empty() {
                write!(f, ", {text}")?;
            }
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}
