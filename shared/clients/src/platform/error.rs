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

impl PlatformError {
    /// What the caller may do. Nothing here is unknown: asking who somebody is changes nothing.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NoAnswer(_) | Self::Unreadable(_) => Outcome::RETRY,
            Self::Refused(problem, after) => match problem.status {
                429 => Outcome::Wait { after: *after },
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
