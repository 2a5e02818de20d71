//! What failures of Flysk's API and of amoCRM have in common.

use flysk_simulators::{Act, Control, Script};
use poem::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// Methods of the APIs.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Why an answer is one of the sandbox, for whoever reads it.
pub(super) const DETAIL: &str = "the sandbox was told to let this request fail";

/// What is lost on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lost {
    /// The request: the server does nothing.
    Request,
    /// The answer: the server has done what it was asked for.
    Answer,
}

impl Lost {
    pub(super) const fn act(self) -> Act {
        match self {
            Self::Request => Act::Cut,
            Self::Answer => Act::ServeThenCut,
        }
    }
}

/// What is still to fail.
#[derive(Debug, Serialize)]
pub(super) struct Remaining {
    failing: u32,
}

impl Remaining {
    /// What is left of these scripts.
    pub(super) fn of(control: &Control) -> Self {
        Self { failing: control.scripts().iter().map(|script| script.times).sum() }
    }
}

/// The status of an answer that is a failure; 503 by default.
pub(super) fn failing_status(wanted: Option<u16>) -> Result<StatusCode, Problem> {
    let status = StatusCode::from_u16(wanted.unwrap_or(503)).ok();
    let status = status.filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| Problem::invalid("`status` is 400 to 599"))
}

/// Lets the next requests to a path fail, those with `method` only if there is one. Replaces what was to fail before.
pub(super) fn fail_next(
    control: &Control,
    next: u32,
    method: Option<String>,
    path: String,
    act: Act,
) -> Result<(), Problem> {
    if method.as_deref().is_some_and(|method| !METHODS.contains(&method)) {
        return Err(Problem::invalid(format!("`method` is one of {}", METHODS.join(", "))));
    }
    control.clear_scripts();
    if next > 0 {
        control.script(Script { method, ..Script::next(path, act).times(next) });
    }
    Ok(())
}
