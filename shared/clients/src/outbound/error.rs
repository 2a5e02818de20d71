//! Errors of requests to untrusted URLs and what the caller may do.

use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;

use super::bad_url::BadUrl;
use super::resolver::NoPublicAddress;
use crate::http::{Transport, TransportKind, find_source};

/// A request to an untrusted URL failed. The error does not contain the URL, because recording links are often signed.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is invalid or not allowed.
    #[error("bad URL: {0}")]
    BadUrl(#[from] BadUrl),
    /// The host is not on the public Internet.
    #[error("the host is not on the public Internet")]
    ForbiddenAddress,
    /// The chain of redirects is too long or a loop.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// Maximum number of redirects.
        limit: u32,
    },
    /// The body is too long.
    #[error("body longer than {limit} bytes")]
    TooLarge {
        /// Maximum length in bytes.
        limit: u64,
    },
    /// Timeout of the response, of the next byte, or of the whole request.
    #[error("timeout")]
    TimedOut,
    /// The connection or the name resolution failed.
    #[error("connection failed")]
    Connect(#[source] Transport),
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("TLS handshake failed")]
    Tls(#[source] Transport),
    /// The connection broke more often than it may be resumed.
    #[error("the connection broke {times} times")]
    Cut {
        /// Number of broken connections.
        times: u32,
        /// The last error.
        source: Option<Transport>,
    },
    /// The body does not match its content coding, or has too many codings.
    #[error("invalid content coding")]
    Coding,
    /// The file does not exist (yet): recordings often appear minutes after their link.
    #[error("file not available yet, status {status}")]
    NotYet {
        /// HTTP status: 202, 204, 403, 404 or 410.
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
    /// Reading or writing the local file failed.
    #[error("I/O error of the local file")]
    File(#[source] std::io::Error),
}

impl OutboundError {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::BadUrl(_)
            | Self::ForbiddenAddress
            | Self::TooManyRedirects { .. }
            | Self::TooLarge { .. } => FailureAction::GiveUp,
            Self::TimedOut
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Cut { .. }
            | Self::Coding
            | Self::NotYet { .. }
            | Self::File(_) => FailureAction::RETRY,
            Self::Status { status, retry_after } => match status {
                429 => FailureAction::Wait { after: *retry_after },
                // Some telephony systems send 304 although requests are unconditional.
                304 | 408 | 425 | 500..=599 => FailureAction::Retry { after: *retry_after },
                _ => FailureAction::GiveUp,
            },
        }
    }

    /// The failed download of a recording as users read it.
    pub fn failure(&self) -> (FailureCode, Option<FailureCause>) {
        use FailureCode::{LinkForbiddenAddress, RecordingUnavailable};
        let cause = match self {
            Self::ForbiddenAddress => return (LinkForbiddenAddress, Some(FailureCause::InternalNetwork)),
            Self::BadUrl(_) => return (LinkForbiddenAddress, Some(FailureCause::NotALink)),
            Self::TooLarge { .. } => return (FailureCode::TooLarge, None),
            Self::File(_) => return (FailureCode::Internal, None),
            Self::TooManyRedirects { .. } => FailureCause::RedirectLoop,
            Self::TimedOut | Self::Connect(_) => FailureCause::HostAway,
            Self::Tls(_) => FailureCause::CertificateRefused,
            Self::Cut { .. } => FailureCause::ConnectionBroken,
            Self::Coding => FailureCause::HostRefused,
            Self::NotYet { status } | Self::Status { status, .. } => match status {
                401 | 407 => FailureCause::LoginRequired,
                403 | 404 | 410 => FailureCause::LinkExpired,
                _ => FailureCause::HostRefused,
            },
        };
        (RecordingUnavailable, Some(cause))
    }

    /// Whether the host responded without the file. Such a request may be retried while the file may still appear.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotYet { .. } => true,
            // Throttling by the host says nothing about the file.
            Self::Status { status, .. } => *status != 429,
            _ => false,
        }
    }

    /// Maps an error of a request without a response.
    pub(super) fn of_request(error: reqwest::Error) -> Self {
        if find_source::<NoPublicAddress>(&error).is_some() {
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
