//! Error statuses of Yandex Cloud: a gRPC code and a message.

use std::fmt;

use flysk_domain::serde_lenient;
use serde_json::Value;

/// The longest part of a message that is kept.
const MAX_MESSAGE_CHARS: usize = 300;

/// An error status of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// HTTP status of the response, or the equivalent of the gRPC code.
    pub http: u16,
    /// gRPC code, if the body contains it.
    pub grpc: Option<u64>,
    /// The service's message in English, cut to 300 characters.
    pub message: String,
    /// Request id, for questions to Yandex's support.
    pub request_id: Option<String>,
}

/// Class of an error. Source: Yandex Cloud docs, SpeechKit response format; gRPC status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// The request is invalid.
    InvalidArgument,
    /// The resource does not exist or is not ready.
    NotFound,
    /// The account lacks the permission.
    PermissionDenied,
    /// The credential is invalid.
    Unauthenticated,
    /// A quota is exceeded.
    ResourceExhausted,
    /// Timeout inside the service.
    DeadlineExceeded,
    /// The service is unavailable.
    Unavailable,
    /// Any other error.
    Other,
}

impl Status {
    /// Parses `{"code":…,"message":…}` and `{"error":{…}}`, with `grpcCode` or `grpc_code` for `code`.
    ///
    /// Other bodies, such as HTML of a proxy, give an empty message.
    pub(crate) fn read(http: u16, body: &[u8], request_id: Option<String>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Self::of_value(http, body.get("error").filter(|error| error.is_object()).unwrap_or(&body), request_id)
    }

    /// Parses an error inside a successful response, which has no HTTP status of its own.
    pub(crate) fn of_rpc(error: &Value) -> Self {
        let status = Self::of_value(0, error, None);
        Self { http: http_of(status.grpc), ..status }
    }

    /// Builds a status from a gRPC code and a message.
    pub(crate) fn of_grpc(code: i64, message: &str) -> Self {
        let grpc = u64::try_from(code).ok();
        Self {
            http: http_of(grpc),
            grpc,
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            request_id: None,
        }
    }

    fn of_value(http: u16, error: &Value, request_id: Option<String>) -> Self {
        let code = ["grpcCode", "grpc_code", "code"].iter().find_map(|name| error.get(name));
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        Self {
            http,
            grpc: code.and_then(serde_lenient::value_to_u64),
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            request_id,
        }
    }

    /// Class of the error, by the gRPC code if present, otherwise by the HTTP status. Some bodies repeat the HTTP status as
    /// code, and some have no code.
    pub fn kind(&self) -> StatusKind {
        match self.equivalent_http() {
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

    /// Whether the service may have done what it was asked for: it failed or timed out inside, or a proxy lost its answer. 503 is
    /// none of these: nobody took the request. Source: gRPC status codes; RFC 9110, 15.6.
    pub(crate) fn leaves_doubt(&self) -> bool {
        matches!(self.equivalent_http(), 408 | 500 | 502 | 504..=599)
    }

    fn equivalent_http(&self) -> u16 {
        match self.grpc {
            Some(1..=16) => http_of(self.grpc),
            _ => self.http,
        }
    }

    /// Whether the message contains the words, which must be in lower case; ignores the message's case.
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

/// HTTP status equivalent to a gRPC code. Source: `google.rpc.Code`, except that ABORTED is 503, so that it is retried.
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
    fn failures_inside_the_service_leave_doubt_and_refusals_do_not() {
        let leaves_doubt = |http, body: &str| Status::read(http, body.as_bytes(), None).leaves_doubt();
        for (http, body) in [(500, r#"{"code":13}"#), (503, r#"{"code":13}"#), (500, r#"{"code":2}"#)] {
            assert!(leaves_doubt(http, body), "{http} {body}");
        }
        for (http, doubt) in [(408, true), (500, true), (502, true), (504, true), (520, true)] {
            assert_eq!(leaves_doubt(http, "<html>"), doubt, "{http}");
        }
        for (http, body) in
            [(503, "<html>"), (500, r#"{"code":14}"#), (501, ""), (429, ""), (400, ""), (401, "")]
        {
            assert!(!leaves_doubt(http, body), "{http} {body}");
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
        assert_eq!(Status::read(400, body.as_bytes(), None).message.chars().count(), MAX_MESSAGE_CHARS);
    }
}
