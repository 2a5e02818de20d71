//! The error body of all operations: `application/problem+json` (RFC 9457) with a stable `code`.

mod answers;
mod codes;
mod origin;
mod plain;

use flysk_domain::id::QuoteId;
use flysk_store::{Contention, StoreError};
use poem::Response;
use poem::error::ResponseError;
use poem::http::{StatusCode, header};
use poem_openapi::Object;
use poem_openapi::error::{AuthorizationError, ParseParamError, ParseRequestPayloadError};

pub(crate) use answers::{ProblemBody, ProblemResponse, ProblemResponses, answers};
pub use codes::ProblemCode;
pub(crate) use origin::ProblemOrigin;
pub(crate) use plain::plain_body_reason;
use plain::plain_reason;

/// Path of the page that explains the codes.
const ERRORS_PATH: &str = "docs/errors";
/// Request header with the caller's idempotency key.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// An error. Match on `code`: `title` and `detail` are for humans and may change. New codes may be added.
#[derive(Debug, Clone, Object)]
pub struct Problem {
    /// URL of the description of the code.
    #[oai(rename = "type")]
    pub(crate) kind: String,
    /// Short description of the code, for humans.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Description of this error, for humans.
    pub(crate) detail: String,
    /// Stable machine-readable error code.
    pub(crate) code: String,
    /// Id of the new quote, with `quote_changed` only.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) quote_id: Option<String>,
    #[oai(skip)]
    typed_code: Option<ProblemCode>,
    /// Value of `Retry-After`, in seconds. Every 429 and 503 has one.
    #[oai(skip)]
    pub(crate) retry_after_s: Option<u32>,
    /// The database rolled the transaction back because of a conflict: it may be repeated.
    #[oai(skip)]
    contended: bool,
}

impl Problem {
    /// A problem with this code. `detail` describes the error of this request.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/{ERRORS_PATH}#{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            quote_id: None,
            typed_code: Some(code),
            retry_after_s: code.default_retry_after_s(),
            contended: false,
        }
    }

    /// The same problem with a `Retry-After` of this many seconds.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The same problem with the id of a new quote.
    #[must_use]
    pub(crate) fn with_quote(self, quote: QuoteId) -> Self {
        Self { quote_id: Some(quote.to_string()), ..self }
    }

    /// The code; `Internal` for a problem that was deserialized.
    pub(crate) fn problem_code(&self) -> ProblemCode {
        self.typed_code.unwrap_or(ProblemCode::Internal)
    }

    /// The HTTP response with this problem as its body. [`ProblemOrigin`] makes its `type` absolute.
    pub(crate) fn response(&self) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/problem+json")
            .body(self.body(""));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.clone());
        response
    }

    /// The body, with `origin` before the path in `type`.
    fn body(&self, origin: &str) -> String {
        let mut body = serde_json::json!({
            "type": format!("{origin}{}", self.kind),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        });
        if let Some(quote) = &self.quote_id {
            body["quote_id"] = quote.as_str().into();
        }
        body.to_string()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        self.response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::WrongState { .. } => {
                Self::new(ProblemCode::VersionConflict, "the object was changed by another request")
            }
            StoreError::Conflict(_) => {
                let problem = Self::new(ProblemCode::Unavailable, "too many concurrent changes: retry");
                Self { contended: true, ..problem }
            }
            StoreError::Database(_) => {
                tracing::error!(error = %error, "database error");
                Self::new(ProblemCode::Unavailable, "the database is unavailable")
            }
            StoreError::Duplicate { .. } | StoreError::InvalidRow { .. } | StoreError::Defect(_) => {
                tracing::error!(error = %error, "unexpected store error");
                Self::new(ProblemCode::Internal, "quote X-Request-Id to support")
            }
        }
    }
}

impl Contention for Problem {
    fn is_contended(&self) -> bool {
        self.contended
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// Converts an error of poem (no route, unreadable body, other) to a problem response.
pub(crate) fn from_poem_error(error: poem::Error) -> Response {
    if error.is::<Problem>() {
        return error.into_response();
    }
    let status = error.status();
    let code = match status.as_u16() {
        401 => ProblemCode::Unauthorized,
        404 => ProblemCode::NotFound,
        405 => ProblemCode::MethodNotAllowed,
        413 => ProblemCode::TooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        422 => ProblemCode::Invalid,
        429 => ProblemCode::TooManyRequests,
        503 => ProblemCode::Unavailable,
        400..=499 => ProblemCode::BadRequest,
        _ => ProblemCode::Internal,
    };
    if code == ProblemCode::Internal {
        tracing::error!(error = %error, "request failed");
        return Problem::new(code, "quote X-Request-Id to support").response();
    }
    Problem::new(code, error.to_string()).response()
}

/// The problem for a request that poem-openapi cannot parse: `code`, unless the error has a more specific code.
pub(crate) fn from_unreadable_request(error: &poem::Error, code: ProblemCode) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    let code = match error.status().as_u16() {
        401 => ProblemCode::Unauthorized,
        413 => ProblemCode::TooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        _ => code,
    };
    Problem::new(code, unreadable_detail(error))
}

/// Detail of an unreadable request: it names the parameter or missing credential, and no types, unlike the framework's own
/// words.
fn unreadable_detail(error: &poem::Error) -> String {
    if let Some(ParseParamError { name, reason }) = error.downcast_ref::<ParseParamError>() {
        if reason.ends_with("expects an input value.") {
            return format!("the parameter `{name}` is missing");
        }
        return format!("the parameter `{name}`: {}", plain_reason(reason));
    }
    if let Some(ParseRequestPayloadError { reason }) = error.downcast_ref::<ParseRequestPayloadError>() {
        return reason.clone();
    }
    if error.is::<AuthorizationError>() {
        return "no credential: backends send `X-Project-Token`, widgets `X-Auth-Token` or `Authorization: Bearer`".to_owned();
    }
    error.to_string()
}
