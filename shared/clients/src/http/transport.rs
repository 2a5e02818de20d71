//! Errors of requests without a complete response.

use std::error::Error as StdError;
use std::{fmt, io};

use flysk_domain::failure_action::FailureAction;

/// The stage at which a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The request could not be built.
    NotSent,
    /// Name resolution failed.
    Dns,
    /// The TCP connection failed.
    Connect,
    /// The TLS handshake failed, or the certificate is not trusted.
    Tls,
    /// Timeout after connecting began: the service may have received the request.
    TimedOut,
    /// The connection broke: the service may have received the request.
    Cut,
}

/// Whether a request may be repeated if its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// The request only reads, or sets a state.
    Safe,
    /// Each request adds a record or takes money.
    NotSafe,
}

/// No complete response. The error does not contain the URL, which may contain codes and signatures.
#[derive(Debug)]
pub struct Transport {
    kind: TransportKind,
    source: reqwest::Error,
}

impl Transport {
    /// The stage at which the request failed.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether the service may have received the request.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self.kind, TransportKind::TimedOut | TransportKind::Cut)
    }

    /// Action that the caller may take after the failure; `repeatable` says whether repeating the request is harmless.
    pub fn outcome(&self, repeatable: bool) -> FailureAction {
        if repeatable || !self.may_have_arrived() { FailureAction::RETRY } else { FailureAction::Unknown }
    }
}

impl From<reqwest::Error> for Transport {
    fn from(error: reqwest::Error) -> Self {
        Self { kind: classify(&error), source: error.without_url() }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportKind::NotSent => "cannot build the request",
            TransportKind::Dns => "DNS resolution failed",
            TransportKind::Connect => "connection failed",
            TransportKind::Tls => "TLS handshake failed",
            TransportKind::TimedOut => "timeout",
            TransportKind::Cut => "connection broken",
        })
    }
}

impl StdError for Transport {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

fn classify(error: &reqwest::Error) -> TransportKind {
    if error.is_builder() {
        TransportKind::NotSent
    } else if error.is_connect() {
        if error.is_dns() {
            TransportKind::Dns
        } else if find_source::<rustls::Error>(error).is_some() {
            TransportKind::Tls
        } else {
            TransportKind::Connect
        }
    } else if error.is_timeout() {
        TransportKind::TimedOut
    } else {
        TransportKind::Cut
    }
}

/// The first error of a type in a chain. Also looks inside `io::Error`, whose inner error is not part of the chain.
pub(crate) fn find_source<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
