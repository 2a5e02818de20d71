//! Errors of the control API: `application/problem+json` (RFC 9457), as those of Flysk's API.

use std::fmt;

use flysk_domain::error_text::with_causes;
use flysk_simulators::{amocrm, tbank};
use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;
use serde_json::json;

/// An error with a stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl fmt::Display) -> Self {
        Self { status, code, detail: detail.to_string() }
    }

    /// The request cannot be read, or a value is not possible.
    pub(super) fn invalid(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// It is not possible in the present state.
    pub(super) fn conflict(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// The clock is moving, or the sandbox is being reset.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "busy",
            "the clock is moving: wait for the answer of the other request",
        )
    }

    /// Jobs that must run first wait for the backend.
    pub(super) fn unsettled(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "busy", detail)
    }

    /// The sandbox is starting or being reset.
    pub(super) fn starting() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            "the sandbox is starting or being reset: ask again in a moment. If a reset has failed, repeat \
             POST /_sandbox/reset",
        )
    }

    /// The sandbox ends.
    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the sandbox stops: start it again")
    }

    /// Something in the sandbox failed.
    pub(super) fn internal(error: &anyhow::Error) -> Self {
        let told = with_causes(&**error);
        tracing::error!(error = told, "a request to the sandbox failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", told)
    }

    /// An error that poem found: an unknown path or method, or a parameter that cannot be read.
    fn of_poem(error: &poem::Error) -> Self {
        let code = match error.status() {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            _ => "invalid_request",
        };
        Self::new(error.status(), code, error)
    }

    pub(super) fn response(&self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        Response::builder()
            .status(self.status)
            .content_type("application/problem+json")
            .body(body.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.response()
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(&error.into())
    }
}

impl From<amocrm::ScenarioError> for Problem {
    fn from(error: amocrm::ScenarioError) -> Self {
        match error {
            amocrm::ScenarioError::NotAnAdministrator
            | amocrm::ScenarioError::OtherPlatform
            | amocrm::ScenarioError::SubdomainTaken => Self::conflict(error),
            _ => Self::not_found(error),
        }
    }
}

impl From<tbank::ScenarioError> for Problem {
    fn from(error: tbank::ScenarioError) -> Self {
        match error {
            tbank::ScenarioError::Closed
            | tbank::ScenarioError::NoRefund
            | tbank::ScenarioError::BelowMinimum
            | tbank::ScenarioError::NoAddress => Self::conflict(error),
            _ => Self::not_found(error),
        }
    }
}

/// The answer to an error of any layer of the control API.
pub(super) fn answer(error: poem::Error) -> Response {
    if error.is::<Problem>() { error.into_response() } else { Problem::of_poem(&error).response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_error_is_a_problem_with_a_code() {
        for (error, status, code) in [
            (poem::Error::from(Problem::conflict("no")), 409, "conflict"),
            (poem::error::NotFoundError.into(), 404, "not_found"),
            (poem::error::MethodNotAllowedError.into(), 405, "method_not_allowed"),
        ] {
            let response = answer(error);
            assert_eq!(
                (response.status().as_u16(), response.content_type()),
                (status, Some("application/problem+json"))
            );
            let body: serde_json::Value =
                serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
            assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
        }
    }
}
