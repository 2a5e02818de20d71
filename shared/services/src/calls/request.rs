//! Requesting a transcription, by a user or for a new call note.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::roles::Role;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_store::flysense::transcriptions::{self, NewTranscription, Transcription};
use flysk_store::{StoreError, StoreResult};

use flysk_jobs::flysense::calls::FetchRecording;
use flysk_queue::UnitOfWork;

/// The call to transcribe.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The amoCRM account.
    pub account_id: AccountId,
    /// FlySense's install there.
    pub install_id: InstallId,
    /// Type of the card.
    pub entity_type: EntityType,
    /// Id of the card with the note.
    pub entity_id: EntityId,
    /// amoCRM's number of the note with the recording.
    pub note_id: NoteId,
    /// User who requested it; `None` for automatic requests.
    pub requested_by: Option<UserId>,
    /// Speaker on the left channel of this account's recordings.
    pub left_channel: Role,
}

/// What became of a request for a transcription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// A new transcription was created.
    Created(TranscriptionId),
    /// A transcription that had ended without a transcript was restarted.
    Restarted(TranscriptionId),
    /// The transcription is in progress or done.
    AlreadyRequested(TranscriptionId, TranscriptionState),
    /// Started as often as allowed within a day; possible again at this time.
    TooOften(TranscriptionId, DateTime<Utc>),
}

impl RequestOutcome {
    /// Transcription of the call, whatever became of the request.
    pub fn id(self) -> TranscriptionId {
        match self {
            Self::Created(id)
            | Self::Restarted(id)
            | Self::AlreadyRequested(id, _)
            | Self::TooOften(id, _) => id,
        }
    }
}

/// Requests the transcription of a call. Each note has at most one transcription.
///
/// Only a user may restart one that ended without a transcript, up to `max_runs` starts within a day. A duplicate hook may not.
pub async fn request_transcription(
    unit: &mut UnitOfWork,
    request: &CallRequest,
    max_runs: u32,
    clock: &dyn flysk_domain::Clock,
) -> StoreResult<RequestOutcome> {
    let now = clock.now();
    let existing = transcriptions::find_by_note(unit, request.account_id, request.note_id).await?;
    let requested = if let Some(call) = existing {
        match call.state {
            state @ (TranscriptionState::Failed
            | TranscriptionState::Cancelled
            | TranscriptionState::NoSpeech)
                if request.requested_by.is_some() =>
            {
                let next = match call.run_count().add(now, max_runs) {
                    Ok(next) => next,
                    Err(again_at) => return Ok(RequestOutcome::TooOften(call.id, again_at)),
                };
                let trace = unit.trace().clone();
                transcriptions::count_run(unit, call.id, call.run_count(), next).await?;
                transcriptions::restart(unit, call.id, state, &trace, now).await?;
                transcriptions::set_left_channel(unit, call.id, request.left_channel).await?;
                RequestOutcome::Restarted(call.id)
            }
            _ => return already_requested(unit, &call, request.requested_by).await,
        }
    } else {
        let id = TranscriptionId::generate(clock);
        match insert(unit, request, id, now).await {
            Ok(()) => RequestOutcome::Created(id),
            // A concurrent request created it.
            Err(StoreError::Duplicate { .. }) => {
                let call = transcriptions::find_by_note(unit, request.account_id, request.note_id).await?;
                let call = call.ok_or(StoreError::WrongState { what: "transcription" })?;
                return already_requested(unit, &call, request.requested_by).await;
            }
            Err(error) => return Err(error),
        }
    };
    // The fetch job of a cancelled run may still be waiting for a link or for the rest of the recording.
    let fetch = FetchRecording { transcription_id: requested.id(), account_id: request.account_id };
    unit.enqueue_or_expedite(&fetch).await?;
    Ok(requested)
}

async fn insert(
    unit: &mut UnitOfWork,
    request: &CallRequest,
    id: TranscriptionId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let trace = unit.trace().clone();
    let new = NewTranscription {
        id,
        account_id: request.account_id,
        install_id: request.install_id,
        entity_type: request.entity_type,
        entity_id: request.entity_id,
        note_id: request.note_id,
        requested_by: request.requested_by,
        left_channel: request.left_channel,
        trace: &trace,
        now,
    };
    transcriptions::insert(unit, &new).await
}

/// Outcome for a call that is in progress or done. A user who requests one that was started automatically counts as its
/// requester until its recording is there: otherwise it could be cancelled as an old call that a hook named.
async fn already_requested(
    unit: &mut UnitOfWork,
    call: &Transcription,
    user: Option<UserId>,
) -> StoreResult<RequestOutcome> {
    use TranscriptionState::{Fetching, Queued, WaitingForLink};
    if let Some(user) = user
        && call.requested_by().is_none()
        && matches!(call.state, Queued | WaitingForLink | Fetching)
    {
        transcriptions::set_requested_by(unit, call.id, user).await?;
    }
    Ok(RequestOutcome::AlreadyRequested(call.id, call.state))
}
