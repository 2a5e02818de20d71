//! Requests to amoCRM that fail, so that a backend meets its refusals and silence.

use flysk_simulators::Act;
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

/// Where requests can fail: amoCRM's API, and the endpoint that issues and renews tokens.
const API_PATH: &str = "/api/v4/";
const TOKEN_PATH: &str = "/oauth2/access_token";

/// Which of the next requests fail, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    /// Number of the next requests that fail; 0 ends it.
    #[serde(default = "one")]
    pub(super) next: u32,
    /// Status of amoCRM's answer; by default 503, unless something is lost.
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) lose: Option<Lost>,
    /// Requests with this method only.
    #[serde(default)]
    pub(super) method: Option<String>,
    /// Requests to this path only; `*` at its end stands for any rest.
    #[serde(default = "any_method_of_the_api")]
    pub(super) path: String,
    /// `Retry-After` of the answer.
    #[serde(default)]
    pub(super) retry_after_s: Option<u32>,
}

fn one() -> u32 {
    1
}

fn any_method_of_the_api() -> String {
    format!("{API_PATH}*")
}

#[handler]
pub(super) fn read(Data(control): ControlData<'_>) -> Result<Json<Remaining>, Problem> {
    Ok(Json(Remaining::of(&control.scene()?.sandbox.amocrm.control)))
}

/// Lets the next requests fail. Replaces what was to fail before.
#[handler]
pub(super) fn fail(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Failure>,
) -> Result<Json<Remaining>, Problem> {
    let scene = control.scene()?;
    fail_next(&scene, wanted)?;
    Ok(Json(Remaining::of(&scene.sandbox.amocrm.control)))
}

/// Lets the next requests fail.
pub(super) fn fail_next(scene: &Scene, wanted: Failure) -> Result<(), Problem> {
    let act = act_of(&wanted)?;
    if !wanted.path.starts_with(API_PATH) && wanted.path != TOKEN_PATH {
        return Err(Problem::invalid(format!("`path` begins with `{API_PATH}`, or is `{TOKEN_PATH}`")));
    }
    failures::fail_next(&scene.sandbox.amocrm.control, wanted.next, wanted.method, wanted.path, act)
}

fn act_of(wanted: &Failure) -> Result<Act, Problem> {
    let Some(lost) = wanted.lose else {
        return Ok(answer(failing_status(wanted.status)?, wanted.retry_after_s));
    };
    if wanted.status.is_some() || wanted.retry_after_s.is_some() {
        return Err(Problem::invalid(
            "there is no answer with `lose`: give neither status nor retry_after_s",
        ));
    }
    Ok(lost.act())
}

/// An answer in amoCRM's form of an error.
fn answer(status: StatusCode, retry_after_s: Option<u32>) -> Act {
    let title = status.canonical_reason().unwrap_or("Error");
    let number = status.as_u16();
    let body = json!({
        "title": title, "type": format!("https://httpstatus.es/{number}"), "status": number,
        "detail": DETAIL,
    });
    let media_type = ("content-type".to_owned(), "application/problem+json".to_owned());
    let retry_after = retry_after_s.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
    let headers = std::iter::once(media_type).chain(retry_after).collect();
    Act::Answer { status: number, headers, body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(text: &str) -> Result<Act, Problem> {
        act_of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_failure_is_an_answer_or_its_loss() {
        assert!(matches!(act("{}"), Ok(Act::Answer { status: 503, .. })));
        let Ok(Act::Answer { status, headers, body }) = act(r#"{"status": 429, "retry_after_s": 9}"#) else {
            panic!("an answer is expected");
        };
        assert_eq!((status, headers[1].1.as_str()), (429, "9"));
        assert!(body.contains("\"status\":429"), "{body}");
        assert!(matches!(act(r#"{"lose": "answer"}"#), Ok(Act::ServeThenCut)));
        assert!(matches!(act(r#"{"lose": "request"}"#), Ok(Act::Cut)));
        for wrong in [r#"{"status": 200}"#, r#"{"status": 1000}"#, r#"{"lose": "answer", "status": 500}"#] {
            assert!(act(wrong).is_err(), "{wrong}");
        }
    }
}
