//! Errors of amoCRM's API and what the caller may do.

use std::fmt;
use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::token::TokenFailure;

use crate::http::{Idempotency, Malformed, ReadError};

/// An API request failed.
#[derive(Debug, thiserror::Error)]
pub enum AmoError {
    /// No complete response.
    #[error("amoCRM: no complete response")]
    Transport {
        /// The error while sending or reading.
        source: ReadError,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// amoCRM rejected the request.
    #[error("amoCRM: {0}")]
    Rejected(Box<Rejection>),
    /// A success whose body does not match the documentation.
    #[error("amoCRM: the request succeeded, but its response is unreadable")]
    Unreadable {
        /// Position of the error.
        source: Malformed,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
}

/// A response that rejects the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Classification of the rejection.
    pub kind: RejectionKind,
    /// The HTTP status.
    pub status: u16,
    /// Findings of amoCRM's validation, at most 10.
    pub violations: Vec<Violation>,
    /// amoCRM's `X-Request-Id`, for questions to its support.
    pub request_id: Option<String>,
    /// Whether the request may be repeated.
    pub idempotency: Idempotency,
}

/// One finding of amoCRM's validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Code: `NotSupportedChoice`, `TooLong`, …
    pub code: String,
    /// Path of the invalid field.
    pub path: String,
}

/// Reason of a rejection. Source: amoCRM docs, `api/recommendations` and `crm_platform/error-codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The token is expired or revoked, or its user was deactivated.
    Unauthorized,
    /// The HTML login page instead of JSON: observed with the token of a removed user.
    LoginPage,
    /// The subscription ended. Reads still work for 30 days.
    Unpaid,
    /// An HTML page of nginx: our IP address sent too many requests and is blocked until amoCRM lifts the block.
    Blocked,
    /// The account allows API requests from listed IP addresses only.
    AddressNotAllowed,
    /// The token's user lacks the rights.
    NoRights,
    /// The entity (note, webhook, …) does not exist.
    NotFound,
    /// The account does not exist at this host; it may have been renamed.
    UnknownAccount,
    /// The request is invalid.
    Invalid,
    /// Rate limit exceeded (7/s).
    RateLimited {
        /// Delay from `Retry-After`, if present.
        after: Option<Duration>,
    },
    /// The request exceeded amoCRM's time limit; a smaller batch may succeed.
    TooMuchAtOnce,
    /// Server error of amoCRM.
    Server,
    /// A status without a documented meaning.
    Other,
}

impl AmoError {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::Transport { source: ReadError::Transport(transport), idempotency } => {
                transport.outcome(*idempotency == Idempotency::Safe)
            }
            Self::Transport { idempotency: Idempotency::NotSafe, .. }
            | Self::Unreadable { idempotency: Idempotency::NotSafe, .. } => FailureAction::Unknown,
            Self::Transport { source: ReadError::TooLarge { .. }, .. } | Self::Unreadable { .. } => {
                FailureAction::RETRY
            }
            Self::Rejected(rejection) => rejection.outcome(),
        }
    }

    /// Whether a new access token may help: refresh once and retry.
    pub fn needs_fresh_token(&self) -> bool {
        matches!(self.kind(), Some(RejectionKind::Unauthorized | RejectionKind::LoginPage))
    }

    /// Reason of the rejection; `None` for other errors.
    pub fn kind(&self) -> Option<RejectionKind> {
        match self {
            Self::Rejected(rejection) => Some(rejection.kind),
            _ => None,
        }
    }
}

impl Rejection {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        /// Interval of checking whether the account was paid or its settings changed.
        const ACCOUNT_PROBE_INTERVAL: Duration = Duration::from_hours(24);
        /// Long, because further requests prolong a block.
        const BLOCK_RETRY_DELAY: Duration = Duration::from_hours(1);

        match self.kind {
            RejectionKind::Unauthorized | RejectionKind::LoginPage | RejectionKind::UnknownAccount => {
                FailureAction::RETRY
            }
            RejectionKind::Unpaid | RejectionKind::AddressNotAllowed => {
                FailureAction::Wait { after: Some(ACCOUNT_PROBE_INTERVAL) }
            }
            RejectionKind::Blocked => FailureAction::Wait { after: Some(BLOCK_RETRY_DELAY) },
            RejectionKind::RateLimited { after } => FailureAction::Wait { after },
            RejectionKind::NoRights
            | RejectionKind::NotFound
            | RejectionKind::Invalid
            | RejectionKind::Other => FailureAction::GiveUp,
            RejectionKind::TooMuchAtOnce | RejectionKind::Server => match self.idempotency {
                Idempotency::Safe => FailureAction::RETRY,
                Idempotency::NotSafe => FailureAction::Unknown,
            },
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}, {:?}", self.status, self.kind)?;
        for Violation { code, path } in &self.violations {
            write!(f, ", {code} at {path}")?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// A token request failed. Check [`TokenError::failure`] first: the grant may be used up.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No complete response.
    #[error("amoCRM: no complete response to a token request")]
    Transport(#[from] ReadError),
    /// A success without a token pair: the grant may be used up.
    #[error("amoCRM: token request succeeded without a token pair")]
    Unreadable(#[from] Malformed),
    /// amoCRM rejected the request.
    #[error("amoCRM: token request rejected with {status}, {failure}{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Rejected {
        /// Effect of the rejection on the grant.
        failure: TokenFailure,
        /// The HTTP status.
        status: u16,
        /// amoCRM's hint in English, cut to 200 characters.
        hint: Option<String>,
        /// Delay from `Retry-After`, if present.
        after: Option<Duration>,
        /// amoCRM's `X-Request-Id`, for questions to its support.
        request_id: Option<String>,
    },
}

impl TokenError {
    /// Effect of the error on the grant.
    pub fn failure(&self) -> TokenFailure {
        match self {
            Self::Transport(ReadError::Transport(transport)) if !transport.may_have_arrived() => {
                TokenFailure::BackOff
            }
            Self::Transport(_) | Self::Unreadable(_) => TokenFailure::Ambiguous,
            Self::Rejected { failure, .. } => *failure,
        }
    }

    /// The connection failed, so amoCRM did not receive the request.
    pub fn never_connected(&self) -> bool {
        matches!(self, Self::Transport(ReadError::Transport(transport)) if !transport.may_have_arrived())
    }

    /// Whether amoCRM's token endpoint may have caused this error. A success without a token pair, and statuses that the
    /// endpoint does not use, come from another server.
    pub fn is_of_token_endpoint(&self) -> bool {
        match self {
            Self::Unreadable(_) => false,
            Self::Rejected { failure: TokenFailure::OurConfiguration, status, .. } => *status <= 404,
            Self::Transport(_) | Self::Rejected { .. } => true,
        }
    }

    /// Delay from `Retry-After`, if present.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { after, .. } => *after,
            Self::Transport(_) | Self::Unreadable(_) => None,
        }
    }

    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        self.failure().outcome()
    }
}
