//! Errors of the T-API, and one exchange with it.

use std::time::Duration;

use bytes::Bytes;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::{Randomness as _, SystemRandomness};
use http::StatusCode;
use reqwest::RequestBuilder;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::TApi;
use crate::http::{Idempotency, ReadError, Transport, read_json, read_limited, retry_after};
use crate::tbank::redact::redact_message;

/// Delay while a person repairs the token or the list of addresses.
const ACCESS_RETRY_DELAY: Duration = Duration::from_mins(5);
/// Well above a page of a statement.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// A request to the T-API failed or was not sent.
#[derive(Debug, thiserror::Error)]
pub enum TApiError {
    /// The request could not be written; it was not sent.
    #[error("T-API: cannot write the request")]
    Unwritable,
    /// No complete response.
    #[error("T-API: no complete response")]
    NoAnswer {
        /// The error while sending or reading.
        source: ReadError,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// The bank refused the request and did nothing.
    #[error("T-API: refused with status {status} {code}: {message}")]
    Refused {
        /// HTTP status: 400 or 422 for the request, 401 for the token, 403 also for the caller's address.
        status: u16,
        /// The bank's code, such as `FORBIDDEN`.
        code: String,
        /// The bank's message, with e-mail addresses and long numbers redacted.
        message: String,
    },
    /// Rate limit exceeded; the request was not executed.
    #[error("T-API: too many requests")]
    TooMany {
        /// Delay from `Retry-After`, if present.
        after: Option<Duration>,
    },
    /// The bank failed, or its response does not match the documentation.
    #[error("T-API: unreadable response with status {status}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
}

impl TApiError {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        let lost = |idempotency: Idempotency| match idempotency {
            Idempotency::Safe => FailureAction::RETRY,
            Idempotency::NotSafe => FailureAction::Unknown,
        };
        match self {
            Self::NoAnswer { source: ReadError::Transport(transport), idempotency } => {
                transport.outcome(*idempotency == Idempotency::Safe)
            }
            Self::NoAnswer { idempotency, .. } | Self::Unreadable { idempotency, .. } => lost(*idempotency),
            Self::TooMany { after } => FailureAction::Wait { after: *after },
            // Token and addresses are repaired by a person; the work itself is fine.
            Self::Refused { status: 401 | 403, .. } => {
                FailureAction::Wait { after: Some(ACCESS_RETRY_DELAY) }
            }
            Self::Unwritable | Self::Refused { .. } => FailureAction::GiveUp,
        }
    }

    /// Whether the bank certainly did nothing.
    pub fn is_without_effect(&self) -> bool {
        match self {
            Self::Unwritable | Self::Refused { .. } | Self::TooMany { .. } => true,
            Self::NoAnswer { source: ReadError::Transport(transport), .. } => !transport.may_have_arrived(),
            Self::NoAnswer { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// Short code for rows and metrics.
    pub fn code(&self) -> String {
        match self {
            Self::Unwritable => "unwritable".to_owned(),
            Self::NoAnswer { .. } => "no_answer".to_owned(),
            Self::Refused { status, code, .. } => format!("{status} {code}"),
            Self::TooMany { .. } => "429".to_owned(),
            Self::Unreadable { status, .. } => format!("unreadable {status}"),
        }
    }
}

/// Body of a refusal. Source: T-API, errors.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Refusal {
    error_code: String,
    error_message: String,
}

impl TApi {
    /// Sends a request with the token, and reads its answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        idempotency: Idempotency,
    ) -> Result<T, TApiError> {
        let request = request.bearer_auth(self.token.expose_secret()).header("X-Request-Id", request_uuid());
        let lost = |source| TApiError::NoAnswer { source, idempotency };
        let response = request.send().await.map_err(|error| lost(Transport::from(error).into()))?;
        let (status, after) = (response.status(), retry_after(response.headers()));
        let body = read_limited(response, MAX_RESPONSE_BYTES).await.map_err(lost)?;
        let unreadable = || TApiError::Unreadable { status: status.as_u16(), idempotency };
        match status {
            StatusCode::OK => read_json(&body).map_err(|_| unreadable()),
            StatusCode::TOO_MANY_REQUESTS => Err(TApiError::TooMany { after }),
            StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::UNPROCESSABLE_ENTITY => {
                let told: Refusal = read_json(&body).unwrap_or_default();
                Err(TApiError::Refused {
                    status: status.as_u16(),
                    code: told.error_code,
                    message: redact_message(&told.error_message),
                })
            }
            _ => Err(unreadable()),
        }
    }
}

/// Reads a document without the token; everything but a PDF is an error.
pub(super) async fn read_document(request: RequestBuilder) -> Result<Bytes, TApiError> {
    let idempotency = Idempotency::Safe;
    let lost = |source| TApiError::NoAnswer { source, idempotency };
    let response = request.send().await.map_err(|error| lost(Transport::from(error).into()))?;
    let status = response.status();
    let body = read_limited(response, MAX_RESPONSE_BYTES).await.map_err(lost)?;
    if status.is_client_error() {
        let (code, message) = ("document".to_owned(), String::new());
        return Err(TApiError::Refused { status: 404, code, message });
    }
    let is_document = status == StatusCode::OK && body.starts_with(b"%PDF-");
    if is_document { Ok(body) } else { Err(TApiError::Unreadable { status: status.as_u16(), idempotency }) }
}

/// A random UUID, for the bank's logs.
fn request_uuid() -> String {
    let random = SystemRandomness.random_u128();
    // Version 4, variant 1 (RFC 9562).
    let bits = (random & !(0xf_u128 << 76) & !(0x3_u128 << 62)) | (0x4_u128 << 76) | (0x2_u128 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, until: usize| hex.get(from..until).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_traced_by_a_uuid() {
        let uuid = request_uuid();
        let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
        assert_ne!(uuid, request_uuid());
    }

    #[test]
    fn only_doubt_about_a_sent_invoice_is_unknown() {
        let refused = |status| TApiError::Refused { status, code: "X".to_owned(), message: String::new() };
        let unreadable = |idempotency| TApiError::Unreadable { status: 500, idempotency };
        let repaired = FailureAction::Wait { after: Some(ACCESS_RETRY_DELAY) };
        for (error, outcome, without_effect) in [
            (refused(403), repaired, true),
            (refused(401), repaired, true),
            (refused(422), FailureAction::GiveUp, true),
            (TApiError::TooMany { after: None }, FailureAction::WAIT, true),
            (unreadable(Idempotency::NotSafe), FailureAction::Unknown, false),
            (unreadable(Idempotency::Safe), FailureAction::RETRY, false),
        ] {
            assert_eq!((error.outcome(), error.is_without_effect()), (outcome, without_effect), "{error}");
        }
    }
}
