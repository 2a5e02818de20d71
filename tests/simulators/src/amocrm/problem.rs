//! Error responses in the shapes that amoCRM uses.

use poem::http::StatusCode;
use poem::{Body, IntoResponse, Response};
use serde_json::{Value, json};

/// Result of a simulated method.
pub(crate) type HandlerResult = Result<Response, Problem>;

/// An error response.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

/// A validation error of a request field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// `NotSupportedChoice`, `TooLong`, `InvalidType`, `FieldMissing`, …
    pub(crate) code: &'static str,
    /// Path within the item.
    pub(crate) path: String,
    /// Human-readable description.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(code: &'static str, path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, path: path.into(), detail: detail.into() }
    }

    /// The value is none of those that exist.
    pub(crate) fn not_a_choice(path: impl Into<String>) -> Self {
        Self::new("NotSupportedChoice", path, "The value you selected is not a valid choice.")
    }
}

impl Problem {
    /// `application/problem+json` of the API (amoCRM docs, crm_platform/error-codes).
    pub(crate) fn api(status: StatusCode, detail: &str) -> Self {
        Self::json(
            status,
            "application/problem+json",
            &json!({
                "title": status.canonical_reason().unwrap_or("Error"),
                "type": format!("https://httpstatus.es/{}", status.as_u16()),
                "status": status.as_u16(),
                "detail": detail,
            }),
        )
    }

    /// 400 with `validation-errors`: `request_id` and errors of each rejected item.
    pub(crate) fn validation(items: &[(String, Vec<FieldError>)]) -> Self {
        let errors: Vec<Value> = items
            .iter()
            .map(|(request_id, complaints)| {
                let errors: Vec<Value> = complaints
                    .iter()
                    .map(|c| json!({"code": c.code, "path": c.path, "detail": c.detail}))
                    .collect();
                json!({"request_id": request_id, "errors": errors})
            })
            .collect();
        Self::json(
            StatusCode::BAD_REQUEST,
            "application/problem+json",
            &json!({
                "validation-errors": errors,
                "title": "Bad Request",
                "type": "https://httpstatus.es/400",
                "status": 400,
                "detail": "Request validation failed",
            }),
        )
    }

    /// A validation error of one field of a request that is not a list.
    pub(crate) fn invalid(code: &'static str, path: &str, detail: &str) -> Self {
        Self::validation(&[("0".to_owned(), vec![FieldError::new(code, path, detail)])])
    }

    /// An error of the token endpoint. Clients may match on `hint`; the other texts are localized.
    pub(crate) fn oauth(status: StatusCode, hint: Option<&str>) -> Self {
        let mut body = json!({
            "title": "Ошибка авторизации",
            "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
            "status": status.as_u16(),
            "detail": "Не удалось авторизовать интеграцию",
        });
        if let Some(hint) = hint {
            body["hint"] = json!(hint);
        }
        Self::json(status, "application/json", &body)
    }

    /// 401 without a hint: the client id and secret do not match.
    pub(crate) fn client_authentication_failed() -> Self {
        Self::json(
            StatusCode::UNAUTHORIZED,
            "application/json",
            &json!({
                "title": "Client authentication failed",
                "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
                "status": 401,
                "detail": "Client authentication failed",
            }),
        )
    }

    /// nginx's 403 page, returned for every request to a blocked account or from a blocked address.
    pub(crate) fn nginx_forbidden() -> Self {
        let page = "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n\
                    <center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
        Self { status: StatusCode::FORBIDDEN, content_type: "text/html", body: page.to_owned() }
    }

    /// The login page, returned instead of JSON for the token of a disabled user.
    pub(crate) fn login_page() -> Self {
        let page = "<!DOCTYPE html><html><head><title>amoCRM: Авторизация</title></head><body>\
                    <form method=\"post\"><input name=\"username\"><input name=\"password\" type=\"password\"></form>\
                    </body></html>";
        Self {
            status: StatusCode::UNAUTHORIZED,
            content_type: "text/html; charset=UTF-8",
            body: page.to_owned(),
        }
    }

    /// 429 with a body that is not JSON.
    pub(crate) fn too_many_requests() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            content_type: "text/html",
            body: "<html><head><title>429 Too Many Requests</title></head></html>".to_owned(),
        }
    }

    fn json(status: StatusCode, content_type: &'static str, body: &Value) -> Self {
        Self { status, content_type, body: body.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Response::builder()
            .status(self.status)
            .content_type(self.content_type)
            .header("x-request-id", uuid::Uuid::new_v4().to_string())
            .body(Body::from_string(self.body))
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        Self::from_response(problem.into_response())
    }
}

/// 200 with JSON (HAL, as amoCRM calls it).
pub(crate) fn hal(body: &Value) -> Response {
    json_with(StatusCode::OK, body)
}

pub(crate) fn json_with(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/hal+json")
        .header("x-request-id", uuid::Uuid::new_v4().to_string())
        .body(Body::from_string(body.to_string()))
}
