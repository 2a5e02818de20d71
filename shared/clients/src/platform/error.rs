//! What goes wrong with the platform, and what it means.

use std::fmt;
use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;
use http::HeaderMap;
use serde_json::Value;

use crate::http::{Malformed, ReadError, request_id};

/// A call of the platform failed.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// No whole answer.
    #[error("platform: no whole answer")]
    NoAnswer(#[from] ReadError),
    /// An answer that says no, and `Retry-After` if it has one.
    #[error("platform: {0}")]
    Refused(Problem, Option<Duration>),
    /// A success that is not what is documented.
    #[error("platform: unreadable answer")]
    Unreadable(#[from] Malformed),
}

/// An error body of the platform (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; empty if something in between answered.
    pub code: String,
    /// For people.
    pub detail: String,
    /// Finds the request in the platform's logs.
    pub request_id: Option<String>,
}

/// Why Flycoins were not moved: refusals after which a caller goes another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlycoinRefusal {
    /// The widget is paid otherwise, or free: there is no wallet, and nothing to pay.
    NotUsed,
    /// There are not enough coins; the same call succeeds when there are.
    InsufficientBalance,
    /// The account has not installed the widget.
    InstallNotFound,
    /// The widget may not work in the account: nothing new is charged or held there.
    InstallNotActive,
    /// No such hold of this widget.
    UnknownHold,
    /// No such charge of this account.
    UnknownCharge,
    /// The hold was captured, released, or ran out; [`hold_status`](super::Platform::hold_status) tells which.
    HoldEnded,
    /// Less is left of the charge.
    MoreThanCharged,
    /// The service is not the widget's, or has no price.
    UnknownService,
    /// The key was used with another body.
    KeyReused,
}

impl FlycoinRefusal {
    fn of(code: &str) -> Option<Self> {
        Some(match code {
            "flycoins_not_used" => Self::NotUsed,
            "insufficient_balance" => Self::InsufficientBalance,
            "install_not_found" => Self::InstallNotFound,
            "install_not_active" => Self::InstallNotActive,
            "unknown_hold" => Self::UnknownHold,
            "unknown_charge" => Self::UnknownCharge,
            "hold_ended" => Self::HoldEnded,
            "more_than_charged" => Self::MoreThanCharged,
            "unknown_service" => Self::UnknownService,
            "idempotency_key_reused" => Self::KeyReused,
            _ => return None,
        })
    }
}

impl PlatformError {
    /// What the caller may do. Nothing here is unknown: asking changes nothing, and what moves coins is
    /// repeated under its key without moving them again.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoAnswer(_) | Self::Unreadable(_) => Outcome::RETRY,
            Self::Refused(problem, after) => match problem.status {
                // Without coins there is nothing wrong with the call: it succeeds when there are some.
                402 | 429 => Outcome::Wait { after: *after },
                408 | 500..=599 => Outcome::Retry { after: *after },
                _ => Outcome::GiveUp,
            },
        }
    }

    /// The platform's code, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem, _) if !problem.code.is_empty() => Some(&problem.code),
            _ => None,
        }
    }

    /// Why Flycoins were not moved, if the platform says so.
    pub fn flycoins(&self) -> Option<FlycoinRefusal> {
        self.code().and_then(FlycoinRefusal::of)
    }
}

impl Problem {
    pub(super) fn read(status: u16, body: &[u8], headers: &HeaderMap) -> Self {
        const LONGEST_TEXT: usize = 300;
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| -> String {
            body.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(LONGEST_TEXT).collect()
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
