//! A request that got no whole answer.

use std::error::Error as StdError;
use std::{fmt, io};

use flysk_domain::platform::outcome::Outcome;

/// How far a request came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The request could not even be written down.
    NotSent,
    /// The name did not resolve.
    Dns,
    /// No TCP connection.
    Connect,
    /// The certificate or the handshake was refused.
    Tls,
    /// Out of time after the connection was asked for: the request may have arrived.
    TimedOut,
    /// The connection broke: the request may have arrived.
    Cut,
}

/// No whole answer came. The URL is not part of it: it may carry codes and signatures.
#[derive(Debug)]
pub struct Transport {
    kind: TransportKind,
    source: reqwest::Error,
}

impl Transport {
    /// Where it failed.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// The request may have reached the other side.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self.kind, TransportKind::TimedOut | TransportKind::Cut)
    }

    /// What it means for a request that may be repeated without harm, or may not.
    pub fn outcome(&self, repeatable: bool) -> Outcome {
        if repeatable || !self.may_have_arrived() { Outcome::RETRY } else { Outcome::Unknown }
    }
}

impl From<reqwest::Error> for Transport {
    fn from(error: reqwest::Error) -> Self {
        Self { kind: kind_of(&error), source: error.without_url() }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportKind::NotSent => "the request could not be made",
            TransportKind::Dns => "the host's name did not resolve",
            TransportKind::Connect => "no connection",
            TransportKind::Tls => "no secure connection",
            TransportKind::TimedOut => "no answer in time",
            TransportKind::Cut => "the connection broke",
        })
    }
}

impl StdError for Transport {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

fn kind_of(error: &reqwest::Error) -> TransportKind {
    if error.is_builder() {
        TransportKind::NotSent
    } else if error.is_connect() {
        if error.is_dns() {
            TransportKind::Dns
        } else if find::<rustls::Error>(error).is_some() {
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

/// The first error of a type in a chain. `io::Error` hides what it wraps from the chain, so it is opened.
pub(crate) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
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
