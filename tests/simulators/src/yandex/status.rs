//! Errors as gRPC statuses behind a REST gateway.

use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use poem::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// gRPC status codes that these APIs are known to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// 1: the caller cancelled the operation.
    Cancelled,
    /// 3: the request is invalid; a retry does not help.
    InvalidArgument,
    /// 4: the deadline passed.
    DeadlineExceeded,
    /// 5: not found, not yet or no longer.
    NotFound,
    /// 7: authenticated, but not allowed.
    PermissionDenied,
    /// 8: a quota is exceeded.
    ResourceExhausted,
    /// 12: not implemented.
    Unimplemented,
    /// 13: internal error.
    Internal,
    /// 14: temporarily unavailable.
    Unavailable,
    /// 16: not authenticated.
    Unauthenticated,
}

impl Code {
    /// gRPC number of the code.
    pub fn number(self) -> u8 {
        match self {
            Self::Cancelled => 1,
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }

    /// HTTP status that the gateway maps the code to.
    pub fn http(self) -> StatusCode {
        match self {
            // The gateway uses the non-standard 499, "client closed request".
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Shape of an error body. Both have been observed, so a client must parse both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyShape {
    /// Alternates between the two.
    #[default]
    Alternate,
    /// `{"code": 5, "message": "…", "details": []}`.
    Plain,
    /// `{"error": {"grpcCode": 5, "httpCode": 404, "message": "…", …}}`.
    Wrapped,
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub(crate) struct Status {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Status {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// `google.rpc.Status`, as in an operation's `error` and in the plain body.
    pub(crate) fn plain(&self) -> Value {
        json!({ "code": self.code.number(), "message": self.message, "details": [] })
    }

    /// The gateway's envelope, as in the wrapped body and inside a stream.
    pub(crate) fn wrapped(&self) -> Value {
        let http = self.code.http();
        json!({ "error": {
            "grpcCode": self.code.number(),
            "httpCode": http.as_u16(),
            "message": self.message,
            "httpStatus": http.canonical_reason().unwrap_or("Client Closed Request"),
            "details": [],
        } })
    }
}

/// Selects the shape of error bodies.
#[derive(Debug, Default)]
pub(crate) struct Shaper {
    wrap_next: AtomicBool,
}

impl Shaper {
    pub(crate) fn response(&self, status: &Status, shape: BodyShape) -> Response {
        let wrapped = match shape {
            BodyShape::Plain => false,
            BodyShape::Wrapped => true,
            BodyShape::Alternate => self.wrap_next.fetch_xor(true, Ordering::Relaxed),
        };
        let body = if wrapped { status.wrapped() } else { status.plain() };
        json_response(status.code.http(), &body)
    }
}

/// A compact JSON response.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}
