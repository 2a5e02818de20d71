//! What SpeechKit answers.

use std::fmt;

use bytes::Bytes;
use flysk_domain::flysense::stream::StreamEvent;
use serde::Deserialize;
use serde_json::Value;

use super::error::FailedOperation;
use crate::lenient;
use crate::yandex::Status;

/// Work that goes on at the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// At most 50 characters.
    pub id: String,
    /// How far it is.
    pub state: OperationState,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationState {
    /// Ask again later.
    Running,
    /// The result can be fetched, or will be in a moment.
    Done,
    /// There will be no result.
    Failed(FailedOperation),
}

/// `yandex.cloud.operation.Operation`. A finished one may have no `response` at all, and an error may
/// come before `done`.
#[derive(Deserialize)]
pub(super) struct OperationBody {
    id: String,
    #[serde(default, deserialize_with = "lenient::truth")]
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

/// A whole result, raw as it came (to be stored once, since the service keeps it three days) and read.
#[derive(Clone, PartialEq)]
pub struct Recognition {
    /// The body.
    pub raw: Bytes,
    /// What it says, in the order it came. None if nobody spoke.
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
