//! Table `transcriptions`: a call's way from recording to transcript.
//!
//! Every write of a stage says which state it leaves, so that a stage that runs late, twice, or for a
//! call that ended meanwhile changes nothing ([`crate::StoreError::Stale`]).

mod read;
mod recording;
mod runs;
mod same_call;
mod write;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::readiness::RecordingWait;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_domain::trace::Trace;
use sqlx::types::Json;

pub use read::{find, find_by_note, in_flight, known_states, list_by_entity, lock, unknown_notes};
pub use recording::{NoteFacts, Prepared, set_aside_recording, set_note, set_prepared, set_waits_for};
pub use runs::count_run;
pub use same_call::is_first_of_call;
pub use write::{
    NewTranscription, ask_again, cancel, edit, fail, finish_no_speech, forget_object, insert, move_on,
    note_submit, set_channel_roles, set_failure_cause, set_object, set_operation, set_summary, settle,
    take_back_submit,
};

/// A transcription.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Transcription {
    /// Which.
    #[sqlx(try_from = "String")]
    pub id: TranscriptionId,
    /// The amoCRM account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install there.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// `leads`, `contacts`, `companies`, `customers`.
    pub entity_type: String,
    /// Whose card the note is in.
    #[sqlx(try_from = "u64")]
    pub entity_id: EntityId,
    /// The call note.
    #[sqlx(try_from = "u64")]
    pub note_id: NoteId,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub state: TranscriptionState,
    failure_code: Option<String>,
    failure_cause: Option<String>,
    waits_for: Option<String>,
    /// Which run this is: asking again after a failure starts another.
    pub run: u32,
    requested_by: Option<u64>,
    /// `incoming` or `outgoing`, once the note was read.
    pub direction: Option<String>,
    /// When the call was.
    pub called_at: Option<DateTime<Utc>>,
    /// How long the call was, as its note says, seconds; `None` if it does not say.
    pub note_duration_s: Option<u32>,
    /// Which version of the recording the run works on: an unfinished one is set aside for the next.
    pub recording_version: u32,
    runs_since: Option<DateTime<Utc>>,
    runs_counted: u32,
    /// True length of the audio.
    pub duration_ms: Option<u64>,
    /// Channels of the audio that was recognised.
    pub channels: Option<u16>,
    /// `mono`, `stereo`, `doubled_mono`.
    pub layout: Option<String>,
    /// `WAV`, `OGG_OPUS`, `MP3`.
    pub container: Option<String>,
    /// Whether the recording was cut off, or is far shorter than its call, and was taken as it is.
    pub partial: bool,
    /// What SpeechKit reads from storage.
    pub object_key: Option<String>,
    /// SpeechKit's operation.
    pub operation_id: Option<String>,
    /// How often it was submitted in this run.
    pub submits: u32,
    /// When it was last submitted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Seconds that are paid for.
    pub billed_seconds: Option<u32>,
    /// Who speaks on the left channel: `operator` or `client`.
    pub left_channel: String,
    /// Whether somebody swapped operator and client by hand.
    pub roles_swapped: bool,
    /// Tags managers gave.
    pub tags: Json<Vec<String>>,
    /// The summary.
    pub summary: Option<String>,
    /// `speechkit`, `yandexgpt`, or `absent:<reason>`.
    pub summary_source: Option<String>,
    summary_edited_by: Option<u64>,
    /// `negative`, `neutral`, `positive`.
    pub sentiment: Option<String>,
    /// Counts edits, so that two managers do not overwrite each other.
    pub version: u32,
    /// Finds all log lines of the call.
    pub correlation_id: String,
    traceparent: Option<String>,
    /// When it was first asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Transcription {
    /// Why it failed, if it did. A code of another release reads as an internal error.
    pub fn failure_code(&self) -> Option<FailureCode> {
        self.failure_code.as_deref().map(|code| code.parse().unwrap_or(FailureCode::Internal))
    }

    /// What exactly kept the recording from us, if it failed for that. One of another release is not known.
    pub fn failure_cause(&self) -> Option<FailureCause> {
        self.failure_cause.as_deref().and_then(|cause| cause.parse().ok())
    }

    /// What it waits for, while it waits for its recording.
    pub fn waits_for(&self) -> Option<RecordingWait> {
        let waits_for =
            self.waits_for.as_deref().filter(|_| self.state == TranscriptionState::WaitingForLink);
        waits_for.and_then(|reason| reason.parse().ok())
    }

    /// Its runs within a day.
    pub fn run_count(&self) -> RunCount {
        RunCount { since: self.runs_since, runs: self.runs_counted }
    }

    /// The thread it hangs on, from the request or hook that asked for this run.
    pub fn trace(&self) -> Trace {
        Trace { correlation_id: self.correlation_id.clone(), traceparent: self.traceparent.clone() }
    }

    /// Who asked for it; `None` if it came by itself.
    pub fn requested_by(&self) -> Option<UserId> {
        self.requested_by.map(UserId)
    }

    /// Who last edited the summary.
    pub fn summary_edited_by(&self) -> Option<UserId> {
        self.summary_edited_by.map(UserId)
    }
}
