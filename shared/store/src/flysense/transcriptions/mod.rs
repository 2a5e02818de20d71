//! Table `transcriptions`: calls from recording to transcript.
//!
//! Every write of a stage requires a certain present state, so that a stage that runs late, twice, or after the call
//! ended changes nothing ([`crate::StoreError::WrongState`]).

mod read;
mod recording;
mod runs;
mod same_call;
mod unseen;
mod write;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::audio::{AudioContainer, ChannelLayout};
use flysk_domain::flysense::call::{Direction, EntityType};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::labels::{Label, RecognizedLabel};
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::roles::Role;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::SummaryProvenance;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_domain::trace::Trace;
use serde::Deserialize as _;
use sqlx::types::Json;

use crate::TextColumn;

pub use read::{
    count_automatic, find, find_by_note, find_by_notes, in_flight, known_states, list_by_entity, lock,
    unknown_notes,
};
pub use recording::{NoteFacts, Prepared, set_aside_recording, set_note, set_prepared, set_waits_for};
pub use runs::{count_run, set_left_channel, set_requested_by};
pub use same_call::is_first_of_call;
pub use unseen::{count_unseen, prune_unseen};
pub use write::{
    Edit, NewTranscription, cancel, clear_billed_seconds, clear_object_key, count_submit, edit, fail,
    finish_no_speech, insert, mark_done, restart, set_channel_roles, set_failure_cause, set_labels,
    set_object_key, set_operation, set_summary, transition, uncount_submit,
};

/// Row of `transcriptions`: the processing of one call.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Transcription {
    /// `tr_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: TranscriptionId,
    /// The amoCRM account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install in the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Type of the card that contains the note.
    #[sqlx(try_from = "TextColumn")]
    pub entity_type: EntityType,
    /// Id of the card that contains the note.
    #[sqlx(try_from = "u64")]
    pub entity_id: EntityId,
    /// The call note.
    #[sqlx(try_from = "u64")]
    pub note_id: NoteId,
    /// Stage that the run has reached, or its end.
    #[sqlx(try_from = "TextColumn")]
    pub state: TranscriptionState,
    failure_code: Option<String>,
    failure_cause: Option<String>,
    waits_for: Option<String>,
    /// Number of the run; a new request after the end starts another run.
    pub run: u32,
    requested_by: Option<u64>,
    /// Direction of the call, once the note was read.
    #[sqlx(try_from = "TextColumn")]
    pub direction: Option<Direction>,
    /// From the note; `None` until it was read.
    pub called_at: Option<DateTime<Utc>>,
    /// Duration of the call in seconds, from its note; `None` if the note has none.
    pub note_duration_s: Option<u32>,
    /// Version of the recording that the run works on. An unfinished recording is discarded, and the next one gets a new
    /// version.
    pub recording_version: u32,
    runs_since: Option<DateTime<Utc>>,
    runs_counted: u32,
    /// Actual duration of the audio, ms.
    pub duration_ms: Option<u64>,
    /// Number of channels of the recognised audio.
    pub channels: Option<u16>,
    /// Distribution of the speakers over the recording's channels.
    #[sqlx(try_from = "TextColumn")]
    pub layout: Option<ChannelLayout>,
    /// Format of the recognised file.
    #[sqlx(try_from = "TextColumn")]
    pub container: Option<AudioContainer>,
    /// Whether the recording is truncated, or much shorter than the call, and was accepted anyway.
    pub partial: bool,
    /// Key of the audio in the object storage.
    pub object_key: Option<String>,
    /// Id of SpeechKit's operation.
    pub operation_id: Option<String>,
    /// Number of submissions in this run.
    pub submits: u32,
    /// Time of the last submission.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Duration that the run pays for, whole seconds.
    pub billed_seconds: Option<u32>,
    /// Role of the speaker on the left channel.
    #[sqlx(try_from = "TextColumn")]
    pub left_channel: Role,
    /// Whether a user swapped operator and client.
    pub roles_swapped: bool,
    /// Tags set by users.
    pub tags: Json<Vec<String>>,
    /// Text of the summary.
    pub summary: Option<String>,
    /// Author of the summary, or why there is none.
    #[sqlx(try_from = "TextColumn")]
    pub summary_source: Option<SummaryProvenance>,
    summary_edited_by: Option<u64>,
    /// The summary before users edited it; `None` if they did not.
    pub summary_written: Option<String>,
    labels: Option<Json<Vec<serde_json::Value>>>,
    labels_added: Option<Json<Vec<String>>>,
    labels_removed: Option<Json<Vec<String>>>,
    /// Sentiment of the call.
    #[sqlx(try_from = "TextColumn")]
    pub sentiment: Option<Sentiment>,
    /// Version for optimistic locking, incremented by each edit.
    pub version: u32,
    /// Correlation id of all log lines of the call.
    pub correlation_id: String,
    traceparent: Option<String>,
    /// When it was first requested.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it reached a final state.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Transcription {
    /// Code of the failure, if it failed. An unknown code, from another release, is read as an internal error.
    pub fn failure_code(&self) -> Option<FailureCode> {
        self.failure_code.as_deref().map(|code| code.parse().unwrap_or(FailureCode::Internal))
    }

    /// Detailed cause of a failed download. An unknown cause, from another release, is read as `None`.
    pub fn failure_cause(&self) -> Option<FailureCause> {
        self.failure_cause.as_deref().and_then(|cause| cause.parse().ok())
    }

    /// The missing condition, while it waits for its recording.
    pub fn waits_for(&self) -> Option<RecordingWait> {
        let waits_for =
            self.waits_for.as_deref().filter(|_| self.state == TranscriptionState::WaitingForLink);
        waits_for.and_then(|reason| reason.parse().ok())
    }

    /// Number of runs in the current window.
    pub fn run_count(&self) -> RunCount {
        RunCount { since: self.runs_since, runs: self.runs_counted }
    }

    /// Labels that the recogniser found; `None` without a transcript, and for old ones. A label of another release is left
    /// out.
    pub fn labels(&self) -> Option<Vec<RecognizedLabel>> {
        let known = |label: &serde_json::Value| RecognizedLabel::deserialize(label).ok();
        self.labels.as_ref().map(|labels| labels.0.iter().filter_map(known).collect())
    }

    /// Labels that users added. A label of another release is left out.
    pub fn labels_added(&self) -> Vec<Label> {
        known_labels(self.labels_added.as_ref())
    }

    /// Recognised labels that users removed.
    pub fn labels_removed(&self) -> Vec<Label> {
        known_labels(self.labels_removed.as_ref())
    }

    /// Correlation with the request or hook that started this run.
    pub fn trace(&self) -> Trace {
        Trace { correlation_id: self.correlation_id.clone(), traceparent: self.traceparent.clone() }
    }

    /// The user who requested it; `None` if it was started automatically.
    pub fn requested_by(&self) -> Option<UserId> {
        self.requested_by.map(UserId)
    }

    /// The user who last edited the summary.
    pub fn summary_edited_by(&self) -> Option<UserId> {
        self.summary_edited_by.map(UserId)
    }
}

fn known_labels(codes: Option<&Json<Vec<String>>>) -> Vec<Label> {
    codes.into_iter().flat_map(|codes| codes.0.iter().filter_map(|code| code.parse().ok())).collect()
}
