//! Error bodies: `{"code": "verify.token", "message": "…"}`.

use poem::http::StatusCode;
use poem::web::Json;
use poem::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// A refusal: status, code, message.
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str, pub(super) String);

impl Refusal {
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self(400, "proto.payload", message.into())
    }
}

/// The response of a request.
pub(super) fn respond(answer: Result<Value, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(Refusal(status, code, message)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            Json(json!({ "code": code, "message": message })).with_status(status).into_response()
        }
    }
}

/// Some methods refuse with status 200.
pub(super) fn unsuccessful(message: &str) -> Value {
    json!({ "success": false, "message": message })
}
