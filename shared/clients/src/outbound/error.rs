//! What goes wrong with strangers' addresses, and what it means.

use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;

use super::resolver::NoPublicAddress;
use super::target::BadUrl;
use crate::http::{Transport, TransportKind, find};

/// A call of a stranger's address failed. The URL is not part of it: recording links are often signed.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Not a URL we call.
    #[error("bad URL: {0}")]
    BadUrl(#[from] BadUrl),
    /// It leads into a network that is not public.
    #[error("the address is not on the public Internet")]
    ForbiddenAddress,
    /// The chain of redirects is too long, or goes round.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// How many are followed.
        limit: u32,
    },
    /// The body is too long.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// What the caller allows.
        limit: u64,
    },
    /// No answer, no next byte, or no end in time.
    #[error("out of time")]
    TimedOut,
    /// No connection, or the name does not resolve.
    #[error("no connection")]
    Connect(#[source] Transport),
    /// The certificate or the handshake is refused.
    #[error("no secure connection")]
    Tls(#[source] Transport),
    /// The connection broke more often than we resume.
    #[error("the connection broke {times} times")]
    Cut {
        /// How often.
        times: u32,
        /// The last time.
        source: Option<Transport>,
    },
    /// The body names a content coding and is damaged, or has too many codings.
    #[error("the content coding is damaged")]
    Coding,
    /// The thing is not there, or not yet: recordings often appear minutes after their link.
    #[error("not there yet, status {status}")]
    NotYet {
        /// The HTTP status: 202, 204, 403, 404 or 410.
        status: u16,
    },
    /// Any other status that is not a success.
    #[error("status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, at most a day.
        retry_after: Option<Duration>,
    },
    /// Our own disk.
    #[error("the local file failed")]
    File(#[source] std::io::Error),
}

impl OutboundError {
    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::BadUrl(_)
            | Self::ForbiddenAddress
            | Self::TooManyRedirects { .. }
            | Self::TooLarge { .. } => Outcome::GiveUp,
            Self::TimedOut
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Cut { .. }
            | Self::Coding
            | Self::NotYet { .. }
            | Self::File(_) => Outcome::RETRY,
            Self::Status { status, retry_after } => match status {
                429 => Outcome::Wait { after: *retry_after },
                // 304 answers no question of ours: some telephonies send it all the same.
                304 | 408 | 425 | 500..=599 => Outcome::Retry { after: *retry_after },
                _ => Outcome::GiveUp,
            },
        }
    }

    /// The host answered, and not with the file: it may be asked again while the file may still come.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotYet { .. } => true,
            // What the host asks us to wait for is no matter of the file.
            Self::Status { status, .. } => *status != 429,
            _ => false,
        }
    }

    /// A request that got no answer.
    pub(super) fn of_request(error: reqwest::Error) -> Self {
        if find::<NoPublicAddress>(&error).is_some() {
            return Self::ForbiddenAddress;
        }
        let transport = Transport::from(error);
        match transport.kind() {
            TransportKind::NotSent => Self::BadUrl(BadUrl::Syntax),
            TransportKind::Dns | TransportKind::Connect => Self::Connect(transport),
            TransportKind::Tls => Self::Tls(transport),
            TransportKind::TimedOut => Self::TimedOut,
            TransportKind::Cut => Self::Cut { times: 1, source: Some(transport) },
        }
    }
}
