//! Operations: from the submission to a result that is available for three days.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::assignment::Assignment;
use super::behaviour::{Behaviour, Failure};
use super::speech::SpeechAnalysis;
use crate::yandex::{Code, Status};

/// Retention of results (SpeechKit, "Quotas and limits": 3 days).
const RESULT_RETENTION: Duration = Duration::days(3);

/// Maximum length of an operation's id (`RecognizeFile`, field limits).
const ID_LIMIT: usize = 50;

/// Ratio of audio length to recognition time: about 10 s per minute of audio (SpeechKit, "Asynchronous
/// recognition").
const AUDIO_PER_PROCESSING: i64 = 6;

/// Progress of an operation.
#[derive(Debug, Clone)]
enum Progress {
    Listening,
    /// Processing has ended; the outcome is visible from `done_at`.
    Finished {
        outcome: Result<Arc<SpeechAnalysis>, Status>,
        done_at: DateTime<Utc>,
    },
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) assignment: Arc<Assignment>,
    created_at: DateTime<Utc>,
    pace: f64,
    extra_ms: u64,
    result_lag: Duration,
    failure: Option<Failure>,
    progress: Progress,
    deleted: bool,
}

/// An operation in `/_sim/operations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct OperationView {
    /// As the submission returned it.
    pub id: String,
    /// Whether it is done.
    pub done: bool,
    /// Whether the client deleted its result.
    pub deleted: bool,
}

impl Operation {
    pub(super) fn new(assignment: Assignment, behaviour: &Behaviour, now: DateTime<Utc>) -> Self {
        Self {
            assignment: Arc::new(assignment),
            created_at: now,
            pace: behaviour.pace.max(0.0),
            extra_ms: behaviour.extra_ms,
            result_lag: milliseconds(behaviour.result_lag_ms),
            failure: behaviour.failure.clone(),
            progress: Progress::Listening,
            deleted: false,
        }
    }

    /// Stores the result of the processing, or its error.
    pub(super) fn finish(&mut self, outcome: Result<Arc<SpeechAnalysis>, Status>, now: DateTime<Utc>) {
        if matches!(self.progress, Progress::Finished { .. }) {
            return; // cancelled meanwhile
        }
        let audio_ms = outcome.as_ref().map_or(0, |analysis| analysis.duration_ms);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "four hours at most"
        )]
        let usual_ms = ((audio_ms / AUDIO_PER_PROCESSING) as f64 * self.pace) as i64;
        let due = self.created_at + Duration::milliseconds(usual_ms) + milliseconds(self.extra_ms);
        let outcome = match &self.failure {
            Some(failure) => Err(Status::new(failure.code, failure.message.clone())),
            None => outcome,
        };
        // Without a recognition time, the operation is done when processing ends.
        self.progress =
            Progress::Finished { outcome, done_at: due.max(if self.pace == 0.0 { now } else { due }) };
    }

    pub(super) fn cancel(&mut self, now: DateTime<Utc>) {
        if !self.is_done(now) {
            let outcome = Err(Status::new(Code::Cancelled, "operation is cancelled"));
            self.progress = Progress::Finished { outcome, done_at: now };
            self.failure = None;
        }
    }

    pub(super) fn is_done(&self, now: DateTime<Utc>) -> bool {
        matches!(&self.progress, Progress::Finished { done_at, .. } if *done_at <= now)
    }

    fn error(&self, now: DateTime<Utc>) -> Option<Status> {
        if let Some(failure) = self.failure.as_ref().filter(|failure| failure.before_done) {
            return Some(Status::new(failure.code, failure.message.clone()));
        }
        match &self.progress {
            Progress::Finished { outcome: Err(status), done_at } if *done_at <= now => Some(status.clone()),
            _ => None,
        }
    }

    /// The Operation object. A successful one has neither `error` nor `response`.
    pub(super) fn shown(&self, id: &str, now: DateTime<Utc>) -> Value {
        let modified_at = match &self.progress {
            Progress::Finished { done_at, .. } if *done_at <= now => *done_at,
            _ => self.created_at,
        };
        let mut operation = json!({
            "id": id,
            "description": "STT v3 async recognition",
            "createdAt": self.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "createdBy": "ajesimulatoraccount0",
            "modifiedAt": modified_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "done": self.is_done(now),
            "metadata": null,
        });
        if let Some(error) = self.error(now) {
            operation["error"] = error.plain();
        }
        operation
    }

    /// The result, if it is available now.
    fn result(&self, id: &str, now: DateTime<Utc>) -> Result<Arc<SpeechAnalysis>, Status> {
        let not_ready = || Status::not_found(format!("operation data is not ready {id}"));
        match &self.progress {
            Progress::Listening => Err(not_ready()),
            Progress::Finished { done_at, .. } if *done_at + self.result_lag > now => Err(not_ready()),
            Progress::Finished { done_at, .. } if self.deleted || *done_at + RESULT_RETENTION <= now => {
                Err(Status::not_found(format!("operation data is not found {id}")))
            }
            Progress::Finished { outcome: Ok(analysis), .. } => Ok(Arc::clone(analysis)),
            Progress::Finished { outcome: Err(_), .. } => {
                Err(Status::not_found(format!("operation data is not found {id}")))
            }
        }
    }
}

fn milliseconds(ms: u64) -> Duration {
    Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX / 2).min(i64::MAX / 2))
}

/// Operations by id.
#[derive(Debug, Default)]
pub(super) struct Operations(HashMap<String, Operation>);

impl Operations {
    pub(super) fn insert(&mut self, operation: Operation) -> String {
        let id = new_id();
        self.0.insert(id.clone(), operation);
        id
    }

    pub(super) fn find(&self, id: &str) -> Result<&Operation, Status> {
        check_id(id)?;
        self.0.get(id).ok_or_else(|| unknown(id))
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Result<&mut Operation, Status> {
        check_id(id)?;
        self.0.get_mut(id).ok_or_else(|| unknown(id))
    }

    /// The assignment and the detected speech of an operation.
    pub(super) fn result(
        &self,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<(Arc<Assignment>, Arc<SpeechAnalysis>), Status> {
        let operation = self.find(id)?;
        Ok((Arc::clone(&operation.assignment), operation.result(id, now)?))
    }

    pub(super) fn delete(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), Status> {
        let operation = self.find_mut(id)?;
        operation.result(id, now)?;
        operation.deleted = true;
        Ok(())
    }

    /// Number of operations with summarization that are not done.
    pub(super) fn summarizing(&self, now: DateTime<Utc>) -> usize {
        self.0.values().filter(|it| it.assignment.summary.is_some() && !it.is_done(now)).count()
    }

    pub(super) fn list(&self, now: DateTime<Utc>) -> Vec<OperationView> {
        let mut operations: Vec<_> = self.0.iter().collect();
        operations.sort_by_key(|(id, operation)| (operation.created_at, id.as_str()));
        operations
            .into_iter()
            .map(|(id, it)| OperationView { id: id.clone(), done: it.is_done(now), deleted: it.deleted })
            .collect()
    }
}

fn check_id(id: &str) -> Result<(), Status> {
    if id.is_empty() || id.len() > ID_LIMIT {
        return Err(Status::invalid(format!("operation id must have 1 to {ID_LIMIT} characters")));
    }
    Ok(())
}

fn unknown(id: &str) -> Status {
    Status::not_found(format!("operation {id} is not found"))
}

/// An id in the service's format: `f8d` and 17 letters or digits.
fn new_id() -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let random: [u8; 17] = rand::random();
    random.iter().fold("f8d".to_owned(), |mut id, byte| {
        id.push(char::from(LETTERS[usize::from(byte % 32)]));
        id
    })
}
