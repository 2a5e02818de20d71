//! Requests to Flysk's API that fail, so that a backend meets its refusals, its silence, and the loss of its answers.

use flysk_simulators::Act;
use poem::Response;
use poem::handler;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use serde::Deserialize;
use serde_json::json;

use super::control::ControlData;
use super::failures::{self, DETAIL, Lost, Remaining, failing_status};
use super::input::Input;
use super::problem::Problem;
use super::scene::Scene;

/// Prefix of the operations of widgets and backends.
const API_PATH: &str = "/v1/";
/// `X-Request-Id` of an answer that Flysk has not made.
const REQUEST_ID: &str = "sandbox-failure";

/// Which of the next requests fail, and how.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Failure {
    /// Number of the next requests that fail; 0 ends it.
    next: u32,
    /// Status of the answer; by default 503, unless something is lost.
    status: Option<u16>,
    /// Code of the answer; by default the usual one of the status.
    code: Option<String>,
    lose: Option<Lost>,
    /// Requests with this method only.
    method: Option<String>,
    /// Requests to this path only; `*` at its end stands for any rest.
    path: String,
    /// `Retry-After` of the answer.
    retry_after_s: Option<u32>,
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            next: 1,
            status: None,
            code: None,
            lose: None,
            method: None,
            path: format!("{API_PATH}*"),
            retry_after_s: None,
        }
    }
}

#[handler]
pub(super) fn read(Data(control): ControlData<'_>) -> Result<Json<Remaining>, Problem> {
    Ok(Json(Remaining::of(&control.scene()?.api_failures)))
}

/// Lets the next requests fail. Replaces what was to fail before.
#[handler]
pub(super) fn fail(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Failure>,
) -> Result<Json<Remaining>, Problem> {
    let scene = control.scene()?;
    fail_next(&scene, wanted)?;
    Ok(Json(Remaining::of(&scene.api_failures)))
}

fn fail_next(scene: &Scene, wanted: Failure) -> Result<(), Problem> {
    let act = act_of(&wanted)?;
    if !wanted.path.starts_with(API_PATH) {
        return Err(Problem::invalid(format!("`path` begins with `{API_PATH}`")));
    }
    failures::fail_next(&scene.api_failures, wanted.next, wanted.method, wanted.path, act)
}

fn act_of(wanted: &Failure) -> Result<Act, Problem> {
    if let Some(lost) = wanted.lose {
        if wanted.status.is_some() || wanted.code.is_some() || wanted.retry_after_s.is_some() {
            return Err(Problem::invalid(
                "there is no answer with `lose`: give neither status, code nor retry_after_s",
            ));
        }
        return Ok(lost.act());
    }
    let status = failing_status(wanted.status)?;
    let code = wanted.code.as_deref().or(usual_code(status));
    let code = code
        .ok_or_else(|| Problem::invalid("this status has several codes: give `code`, of docs/errors.md"))?;
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": DETAIL,
    });
    let headers = [("content-type", "application/problem+json"), ("x-request-id", REQUEST_ID)];
    let mut headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    headers.extend(wanted.retry_after_s.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
    Ok(Act::Answer { status: status.as_u16(), headers, body: body.to_string() })
}

/// The code of a status that has one for every operation.
fn usual_code(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("unauthorized"),
        StatusCode::PAYMENT_REQUIRED => Some("insufficient_balance"),
        StatusCode::TOO_MANY_REQUESTS => Some("too_many_requests"),
        StatusCode::INTERNAL_SERVER_ERROR => Some("internal"),
        StatusCode::BAD_GATEWAY => Some("upstream_unavailable"),
        StatusCode::SERVICE_UNAVAILABLE => Some("unavailable"),
        _ => None,
    }
}

/// The answer of an [`Act::Answer`].
pub(super) fn answer(status: u16, headers: &[(String, String)], body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name.as_str(), value.as_str());
    }
    response.body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(text: &str) -> Result<Act, Problem> {
        act_of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_failure_is_a_problem_or_a_loss() {
        let Ok(Act::Answer { status, headers, body }) = act(r#"{"status": 429, "retry_after_s": 9}"#) else {
            panic!("an answer is expected");
        };
        assert_eq!((status, headers.last().map(|header| header.1.as_str())), (429, Some("9")));
        assert!(body.contains("\"code\":\"too_many_requests\""), "{body}");
        let Ok(Act::Answer { body, .. }) = act(r#"{"status": 403, "code": "reconnect_required"}"#) else {
            panic!("an answer is expected");
        };
        assert!(body.contains("\"code\":\"reconnect_required\""), "{body}");
        assert!(matches!(act("{}"), Ok(Act::Answer { status: 503, .. })));
        assert_eq!(act(r#"{"lose": "answer"}"#).unwrap(), Act::ServeThenCut);
        assert_eq!(act(r#"{"lose": "request"}"#).unwrap(), Act::Cut);
        for wrong in [r#"{"status": 200}"#, r#"{"status": 409}"#, r#"{"lose": "answer", "code": "internal"}"#]
        {
            assert!(act(wrong).is_err(), "{wrong}");
        }
    }
}
