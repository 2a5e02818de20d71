//! Errors in Yandex Cloud's words: a gRPC code and a message, wrapped or not.

use std::fmt;

use serde_json::Value;

use crate::lenient;

/// The longest part of a message that is kept.
const LONGEST_MESSAGE: usize = 300;

/// An error as the service tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status of the answer, or that which stands for the gRPC code.
    pub http: u16,
    /// The gRPC code, if the body tells it.
    pub grpc: Option<u64>,
    /// The service's message, cut to 300 characters; English.
    pub message: String,
    /// For Yandex's support.
    pub request_id: Option<String>,
}

/// What an error comes down to. Source: Yandex Cloud docs, SpeechKit response format; gRPC status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// The request is wrong.
    InvalidArgument,
    /// No such thing, or not ready.
    NotFound,
    /// The account may not do this.
    PermissionDenied,
    /// The credential is not accepted.
    Unauthenticated,
    /// A quota is used up.
    ResourceExhausted,
    /// The service itself gave up in time.
    DeadlineExceeded,
    /// The service is ill or away.
    Unavailable,
    /// Anything else.
    Other,
}

impl Status {
    /// Reads `{"code":…,"message":…}` and `{"error":{…}}`, with `grpcCode` or `grpc_code` for `code`.
    ///
    /// A page, as a proxy in between may send, has no message.
    pub(crate) fn read(http: u16, body: &[u8], request_id: Option<String>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::of_value(http, body.get("error").filter(|error| error.is_object()).unwrap_or(&body), request_id)
    }

    /// An error that came without an HTTP status of its own, inside an answer that succeeded.
    pub(crate) fn of_rpc(error: &Value) -> Self {
        let status = Self::of_value(0, error, None);
        Self { http: http_of(status.grpc), ..status }
    }

    /// The same, already taken apart.
    pub(crate) fn of_grpc(code: i64, message: &str) -> Self {
        let grpc = u64::try_from(code).ok();
        Self {
            http: http_of(grpc),
            grpc,
            message: message.chars().take(LONGEST_MESSAGE).collect(),
            request_id: None,
        }
    }

    fn of_value(http: u16, error: &Value, request_id: Option<String>) -> Self {
        let code = ["grpcCode", "grpc_code", "code"].iter().find_map(|name| error.get(name));
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        Self {
            http,
            grpc: code.and_then(lenient::unsigned),
            message: message.chars().take(LONGEST_MESSAGE).collect(),
            request_id,
        }
    }

    /// What it comes down to: by the gRPC code if there is one, by the HTTP status otherwise. Some bodies
    /// repeat the HTTP status as their code, and some have none.
    pub fn kind(&self) -> StatusKind {
        let http = match self.grpc {
            Some(1..=16) => http_of(self.grpc),
            _ => self.http,
        };
        match http {
            400 | 422 => StatusKind::InvalidArgument,
            401 => StatusKind::Unauthenticated,
            403 => StatusKind::PermissionDenied,
            404 => StatusKind::NotFound,
            408 | 504 => StatusKind::DeadlineExceeded,
            429 => StatusKind::ResourceExhausted,
            500 | 502 | 503 => StatusKind::Unavailable,
            _ => StatusKind::Other,
        }
    }

    /// The message has these words, in any case.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.message.to_lowercase().contains(words)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.http)?;
        if let Some(code) = self.grpc {
            write!(f, ", code {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ", {}", self.message)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// The HTTP status that stands for a gRPC code. Source: `google.rpc.Code`,
/// but an aborted request is one to repeat.
fn http_of(grpc: Option<u64>) -> u16 {
    match grpc {
        Some(3 | 9 | 11) => 400,
        Some(16) => 401,
        Some(7) => 403,
        Some(5) => 404,
        Some(6) => 409,
        Some(8) => 429,
        Some(1) => 499,
        Some(12) => 501,
        Some(10 | 14) => 503,
        Some(4) => 504,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_an_error_are_read() {
        for body in [
            r#"{"code":5,"message":"operation data is not ready x","details":[]}"#,
            r#"{"error":{"grpcCode":5,"httpCode":404,"message":"operation data is not ready x"}}"#,
            r#"{"error":{"code":"5","message":"operation data is not ready x"}}"#,
        ] {
            let status = Status::read(404, body.as_bytes(), None);
            assert_eq!((status.grpc, status.kind()), (Some(5), StatusKind::NotFound), "{body}");
            assert!(status.says("not ready"), "{body}");
        }
    }

    #[test]
    fn without_a_code_the_http_status_decides() {
        for (http, body, kind) in [
            (429, "", StatusKind::ResourceExhausted),
            (502, "<html>", StatusKind::Unavailable),
            (401, r#"{"code":401,"message":"no"}"#, StatusKind::Unauthenticated),
            (403, r#"{"error":"denied"}"#, StatusKind::PermissionDenied),
            (418, "{}", StatusKind::Other),
        ] {
            assert_eq!(Status::read(http, body.as_bytes(), None).kind(), kind, "{http} {body}");
        }
    }

    #[test]
    fn an_error_inside_a_success_stands_for_its_code() {
        let status = Status::of_rpc(&serde_json::json!({"code": 14, "message": "try later"}));
        assert_eq!((status.http, status.kind()), (503, StatusKind::Unavailable));
        assert_eq!(Status::of_grpc(3, "bad").kind(), StatusKind::InvalidArgument);
        assert_eq!(Status::of_grpc(-1, "odd").kind(), StatusKind::Unavailable);
    }

    #[test]
    fn a_message_is_cut() {
        let body = format!(r#"{{"code":3,"message":"{}"}}"#, "я".repeat(1000));
        assert_eq!(Status::read(400, body.as_bytes(), None).message.chars().count(), LONGEST_MESSAGE);
    }
}
