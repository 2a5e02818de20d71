//! Asking for a transcription: by a manager, or because a call note arrived.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId, UserId};
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::{StoreError, StoreResult};

use super::FetchRecording;
use crate::outbox::Unit;

/// Which call is to be transcribed.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The amoCRM account.
    pub account_id: AccountId,
    /// FlySense's install there.
    pub install_id: InstallId,
    /// `leads`, `contacts`, `companies`, `customers`.
    pub entity_type: String,
    /// Whose card the note is in.
    pub entity_id: EntityId,
    /// The call note.
    pub note_id: NoteId,
    /// Who asked; `None` if it came by itself.
    pub requested_by: Option<UserId>,
    /// Who speaks on the left channel of this account's recordings: `operator` or `client`.
    pub left_channel: String,
}

/// For requests that come by themselves: they start a call once.
pub const NO_MORE_RUNS: u32 = 1;

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// A new transcription.
    Started(TranscriptionId),
    /// Another run of one that had ended without a transcript.
    StartedAgain(TranscriptionId),
    /// It is under way, or done.
    Known(TranscriptionId, TranscriptionState),
    /// It ended without a transcript and was started as often as it may be within a day: again from then on.
    TooOften(TranscriptionId, DateTime<Utc>),
}

impl Requested {
    /// The transcription of the call.
    pub fn id(self) -> TranscriptionId {
        match self {
            Self::Started(id) | Self::StartedAgain(id) | Self::Known(id, _) | Self::TooOften(id, _) => id,
        }
    }
}

/// Requests a call's transcription: each note has one, however often it is asked for. Only a person may
/// start one again that had ended without a transcript, `max_runs` times within a day with the first start; a hook that
/// comes twice may not.
pub async fn request(
    unit: &mut Unit,
    request: &CallRequest,
    max_runs: u32,
    clock: &dyn flysk_domain::Clock,
) -> StoreResult<Requested> {
    let now = clock.now();
    let known = transcriptions::find_by_note(unit, request.account_id, request.note_id).await?;
    let requested = if let Some(call) = known {
        match call.state {
            state @ (TranscriptionState::Failed
            | TranscriptionState::Cancelled
            | TranscriptionState::NoSpeech)
                if request.requested_by.is_some() =>
            {
                let next = match call.run_count().add(now, max_runs) {
                    Ok(next) => next,
                    Err(again_at) => return Ok(Requested::TooOften(call.id, again_at)),
                };
                let trace = unit.trace().clone();
                transcriptions::count_run(unit, call.id, call.run_count(), next).await?;
                transcriptions::ask_again(unit, call.id, state, &trace, now).await?;
                Requested::StartedAgain(call.id)
            }
            state => return Ok(Requested::Known(call.id, state)),
        }
    } else {
        let id = TranscriptionId::generate(clock);
        let trace = unit.trace().clone();
        let inserted = transcriptions::insert(
            unit,
            &NewTranscription {
                id,
                account_id: request.account_id,
                install_id: request.install_id,
                entity_type: &request.entity_type,
                entity_id: request.entity_id,
                note_id: request.note_id,
                requested_by: request.requested_by,
                left_channel: &request.left_channel,
                trace: &trace,
                now,
            },
        )
        .await;
        match inserted {
            Ok(()) => Requested::Started(id),
            // Somebody asked in the same moment.
            Err(StoreError::Taken { .. }) => {
                let call = transcriptions::find_by_note(unit, request.account_id, request.note_id).await?;
                let call = call.ok_or(StoreError::Stale { what: "transcription" })?;
                return Ok(Requested::Known(call.id, call.state));
            }
            Err(error) => return Err(error),
        }
    };
    // The fetch of a run that was cancelled may still wait, for a link or for an unfinished recording.
    let fetch = FetchRecording { transcription_id: requested.id(), account_id: request.account_id };
    unit.enqueue_or_expedite(&fetch).await?;
    Ok(requested)
}
