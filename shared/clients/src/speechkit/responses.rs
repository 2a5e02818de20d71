//! Responses of SpeechKit.

use std::fmt;

use bytes::Bytes;
use flysk_domain::flysense::stream::StreamEvent;
use flysk_domain::serde_lenient;
use serde::Deserialize;
use serde_json::Value;

use super::error::FailedOperation;
use crate::yandex::Status;

/// A long-running operation at the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Id, at most 50 characters.
    pub id: String,
    /// As it was when the service answered.
    pub state: OperationState,
}

/// Whether a result can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationState {
    /// Not finished: poll again later.
    Running,
    /// The result is ready, or will be in a moment.
    Done,
    /// The operation ended without a result.
    Failed(FailedOperation),
}

/// `yandex.cloud.operation.Operation`. A finished operation may have no `response`, and an error may be present before
/// `done`.
#[derive(Deserialize)]
pub(super) struct OperationBody {
    id: String,
    #[serde(default, deserialize_with = "serde_lenient::truth")]
    done: bool,
    #[serde(default)]
    error: Value,
}

impl From<OperationBody> for Operation {
    fn from(body: OperationBody) -> Self {
        let state = if body.error.is_object() {
            OperationState::Failed(FailedOperation(Status::of_rpc(&body.error)))
        } else if body.done {
            OperationState::Done
        } else {
            OperationState::Running
        };
        Self { id: body.id, state }
    }
}

/// A whole result, raw and parsed. Store the raw body, because the service deletes it after three days.
#[derive(Clone, PartialEq)]
pub struct Recognition {
    /// The unparsed body.
    pub raw: Bytes,
    /// Parsed events in the order of the stream. Empty for a call without speech.
    pub events: Vec<StreamEvent>,
}

impl fmt::Debug for Recognition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recognition")
            .field("bytes", &self.raw.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
