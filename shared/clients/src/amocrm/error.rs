//! What goes wrong with amoCRM, and what it means.

use std::fmt;
use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::token::TokenFailure;

use crate::http::{Malformed, ReadError};

/// A repeated request does no harm, or does something twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads, and writes that only set a state.
    Repeatable,
    /// Adds something each time.
    Once,
}

/// A call of the API failed.
#[derive(Debug, thiserror::Error)]
pub enum AmoError {
    /// No whole answer.
    #[error("amoCRM: no whole answer")]
    Transport {
        /// What happened.
        source: ReadError,
        /// What a second try would do.
        effect: Effect,
    },
    /// An answer that says no.
    #[error("amoCRM: {0}")]
    Rejected(Box<Rejection>),
    /// A success whose body is not what is documented.
    #[error("amoCRM: unreadable answer to a request that succeeded")]
    Unreadable {
        /// Where it stops making sense.
        source: Malformed,
        /// What a second try would do.
        effect: Effect,
    },
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What it comes down to.
    pub kind: RejectionKind,
    /// The HTTP status.
    pub status: u16,
    /// What a validation found wrong.
    pub violations: Vec<Violation>,
    /// amoCRM's `X-Request-Id`, for its support.
    pub request_id: Option<String>,
    /// What a second try would do.
    pub effect: Effect,
}

/// One finding of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `NotSupportedChoice`, `TooLong`, …
    pub code: String,
    /// Which field.
    pub path: String,
}

/// Why amoCRM said no. Source: amoCRM docs, `api/recommendations` and `crm_platform/error-codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The token is expired or revoked, or its user was switched off.
    Unauthorized,
    /// A page for people instead of JSON: seen with the token of a user who is gone.
    LoginPage,
    /// The subscription ended. Reads still work for 30 days.
    Unpaid,
    /// A page of nginx: this address asked too often and stays shut out until amoCRM lifts it.
    Blocked,
    /// The account allows the API from listed addresses only.
    AddressNotAllowed,
    /// The token's user may not do this.
    NoRights,
    /// No such note, hook, …
    NotFound,
    /// No such account: perhaps renamed.
    UnknownAccount,
    /// The request is wrong.
    Invalid,
    /// More than 7 requests a second.
    RateLimited {
        /// If amoCRM says so.
        after: Option<Duration>,
    },
    /// Too slow for amoCRM's own limit: a smaller batch may pass.
    TooMuchAtOnce,
    /// amoCRM is ill.
    Server,
    /// A status without a documented meaning.
    Other,
}

impl AmoError {
    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Transport { source: ReadError::Transport(transport), effect } => {
                transport.outcome(*effect == Effect::Repeatable)
            }
            Self::Transport { effect: Effect::Once, .. } | Self::Unreadable { effect: Effect::Once, .. } => {
                Outcome::Unknown
            }
            Self::Transport { source: ReadError::TooLarge { .. }, .. } | Self::Unreadable { .. } => {
                Outcome::RETRY
            }
            Self::Rejected(rejection) => rejection.outcome(),
        }
    }

    /// Another access token may help: refresh once and try again.
    pub fn needs_fresh_token(&self) -> bool {
        matches!(self.kind(), Some(RejectionKind::Unauthorized | RejectionKind::LoginPage))
    }

    /// Why amoCRM said no, if it is that.
    pub fn kind(&self) -> Option<RejectionKind> {
        match self {
            Self::Rejected(rejection) => Some(rejection.kind),
            _ => None,
        }
    }
}

impl Rejection {
    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        /// How often to look whether an account was paid, or its settings changed.
        const PROBE: Duration = Duration::from_hours(24);
        /// Hammering prolongs a block.
        const BLOCK: Duration = Duration::from_hours(1);

        match self.kind {
            RejectionKind::Unauthorized | RejectionKind::LoginPage | RejectionKind::UnknownAccount => {
                Outcome::RETRY
            }
            RejectionKind::Unpaid | RejectionKind::AddressNotAllowed => Outcome::Wait { after: Some(PROBE) },
            RejectionKind::Blocked => Outcome::Wait { after: Some(BLOCK) },
            RejectionKind::RateLimited { after } => Outcome::Wait { after },
            RejectionKind::NoRights
            | RejectionKind::NotFound
            | RejectionKind::Invalid
            | RejectionKind::Other => Outcome::GiveUp,
            RejectionKind::TooMuchAtOnce | RejectionKind::Server => match self.effect {
                Effect::Repeatable => Outcome::RETRY,
                Effect::Once => Outcome::Unknown,
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

/// A token request failed. Look at [`TokenError::failure`] before anything else.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No whole answer.
    #[error("amoCRM: no whole answer to a token request")]
    Transport(#[from] ReadError),
    /// A success that holds no token pair: the grant may be spent.
    #[error("amoCRM: a token request succeeded without a token pair")]
    Unreadable(#[from] Malformed),
    /// An answer that says no.
    #[error("amoCRM: token request answered with {status}, {failure}{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Rejected {
        /// What it comes down to.
        failure: TokenFailure,
        /// The HTTP status.
        status: u16,
        /// amoCRM's English hint.
        hint: Option<String>,
        /// How long amoCRM asks us to wait, if it does.
        after: Option<Duration>,
        /// amoCRM's `X-Request-Id`, for its support.
        request_id: Option<String>,
    },
}

impl TokenError {
    /// What it means for the grant.
    pub fn failure(&self) -> TokenFailure {
        match self {
            Self::Transport(ReadError::Transport(transport)) if !transport.may_have_arrived() => {
                TokenFailure::BackOff
            }
            Self::Transport(_) | Self::Unreadable(_) => TokenFailure::Ambiguous,
            Self::Rejected { failure, .. } => *failure,
        }
    }

    /// The request reached nobody.
    pub fn never_connected(&self) -> bool {
        matches!(self, Self::Transport(ReadError::Transport(transport)) if !transport.may_have_arrived())
    }

    /// Whether it may be amoCRM's token endpoint that failed so: a success without a pair, and statuses that the endpoint
    /// does not have, are of something else.
    pub fn is_of_token_endpoint(&self) -> bool {
        match self {
            Self::Unreadable(_) => false,
            Self::Rejected { failure: TokenFailure::OurConfiguration, status, .. } => *status <= 404,
            Self::Transport(_) | Self::Rejected { .. } => true,
        }
    }

    /// How long amoCRM asks us to wait, if it does.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { after, .. } => *after,
            Self::Transport(_) | Self::Unreadable(_) => None,
        }
    }

    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        self.failure().outcome()
    }
}
