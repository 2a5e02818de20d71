//! What happened in a sandbox, in order.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_queue::executor::ExecutionResult;
use serde::Serialize;

/// Outcome of a job whose process ended in the middle of it.
pub(crate) const CRASHED: &str = "crashed";

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, by the sandbox's clock.
    pub at: DateTime<Utc>,
    /// A job or a request, with its result.
    #[serde(flatten)]
    pub what: Happened,
}

/// Kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    /// A job ran.
    Job {
        /// Kind of the job.
        kind: String,
        /// Its payload, as JSON.
        payload: String,
        /// Its outcome.
        outcome: String,
    },
    /// The product called an outside service.
    Call {
        /// `amocrm` or `bank`.
        service: &'static str,
        /// Path of the request.
        path: String,
        /// HTTP status of the answer; `None` if there was none.
        status: Option<u16>,
    },
}

impl Event {
    /// Whether this is a job of any kind.
    pub(crate) fn is_job(&self) -> bool {
        matches!(self.what, Happened::Job { .. })
    }
}

impl Happened {
    /// Whether this is a job of the kind.
    pub fn is_job(&self, wanted: &str) -> bool {
        matches!(self, Self::Job { kind, .. } if kind == wanted)
    }

    /// Whether this is a job whose process ended in the middle of it.
    pub fn has_crashed(&self) -> bool {
        matches!(self, Self::Job { outcome, .. } if outcome == CRASHED)
    }

    /// Whether this is a call to the path.
    pub fn is_call(&self, wanted: &str) -> bool {
        matches!(self, Self::Call { path, .. } if path == wanted)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at.format("%Y-%m-%d %H:%M:%S"))?;
        match &self.what {
            Happened::Job { kind, outcome, .. } => write!(f, "{kind}: {outcome}"),
            Happened::Call { service, path, status } => match status {
                Some(status) => write!(f, "{service} {path} → {status}"),
                None => write!(f, "{service} {path} → no answer"),
            },
        }
    }
}

/// Outcome of a job in a word, with its reason if it did not simply succeed.
pub(crate) fn outcome(result: &ExecutionResult) -> String {
    match result {
        ExecutionResult::NotClaimed => "not claimed".to_owned(),
        ExecutionResult::Released => "released".to_owned(),
        ExecutionResult::Finished(Ok(outcome)) => format!("{outcome:?}"),
        ExecutionResult::Finished(Err(error)) => format!("{error:?}"),
    }
}
