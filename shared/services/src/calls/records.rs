//! Transcriptions of the records of a card's feed.

use std::collections::HashMap;

use flysk_domain::Clock;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::record::{AmocrmEventId, RecordId};
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, UserId};
use flysk_jobs::flysense::calls::ResolveEvents;
use flysk_queue::UnitOfWork;
use flysk_store::flysense::events::{self, EventRow, EventState};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::{Conn, StoreError, StoreResult};

use super::request::{CallRequest, RequestOutcome};
use super::user_request::request_by_user;

/// Maximum number of an account's events that amoCRM has not been asked about. More would keep its API busy for minutes.
pub const MAX_PENDING_EVENTS: u32 = 2_000;

/// Maximum number of an account's events that amoCRM does not know. A page that makes ids up fills no table.
pub const MAX_ABSENT_EVENTS: u32 = 10_000;

/// What is known about a call in the feed of a card.
#[derive(Debug, Clone)]
pub enum RecordState {
    /// The record's note is not known yet; `requested` if somebody waits for its transcription.
    Resolving {
        /// Whether a transcription starts when the note is known.
        requested: bool,
    },
    /// amoCRM has no such call.
    Absent,
    /// The record's note is known; it may have a transcription.
    Known {
        /// The call note.
        note_id: NoteId,
        /// The note's transcription.
        transcription: Option<Box<Transcription>>,
    },
}

/// Reads what is known about records of an account, in their order. Asks amoCRM nothing. An event that is not known at all
/// counts as resolving; see [`enqueue_resolution`].
pub async fn look_up(
    conn: &mut Conn,
    account_id: AccountId,
    records: &[RecordId],
) -> StoreResult<Vec<RecordState>> {
    let events = events::find(conn, account_id, &event_ids(records)).await?;
    let note_of = |record: &RecordId| match record {
        RecordId::Note(id) => Some(*id),
        RecordId::Event(id) => events.get(id).and_then(EventRow::note_id),
    };
    let notes: Vec<NoteId> = records.iter().filter_map(note_of).collect();
    let found = transcriptions::find_by_notes(conn, account_id, &notes).await?;
    let by_note: HashMap<NoteId, Transcription> =
        found.into_iter().map(|transcription| (transcription.note_id, transcription)).collect();
    let state = |record: &RecordId| match (note_of(record), record) {
        (Some(note_id), _) => {
            let transcription = by_note.get(&note_id).cloned().map(Box::new);
            RecordState::Known { note_id, transcription }
        }
        (None, RecordId::Event(id)) => match events.get(id) {
            Some(event) if event.state == EventState::Absent => RecordState::Absent,
            event => RecordState::Resolving {
                requested: event.is_some_and(|event| event.requested_by().is_some()),
            },
        },
        (None, RecordId::Note(_)) => RecordState::Absent,
    };
    Ok(records.iter().map(state).collect())
}

fn event_ids(records: &[RecordId]) -> Vec<AmocrmEventId> {
    let event = |record: &RecordId| match record {
        RecordId::Event(id) => Some(id.clone()),
        RecordId::Note(_) => None,
    };
    records.iter().filter_map(event).collect()
}

/// Whether [`enqueue_resolution`] has something to do: a record is an event that is not known at all.
pub async fn has_unknown_events(
    conn: &mut Conn,
    account_id: AccountId,
    records: &[RecordId],
) -> StoreResult<bool> {
    let ids = event_ids(records);
    let known = events::find(conn, account_id, &ids).await?;
    Ok(ids.iter().any(|id| !known.contains_key(id)))
}

/// Records the unknown events and enqueues the job that reads their notes. Of an account with too many pending or absent events
/// only as many as there is room for; the rest stays unknown and may be sent again.
pub async fn enqueue_resolution(
    unit: &mut UnitOfWork,
    account_id: AccountId,
    records: &[RecordId],
) -> StoreResult<()> {
    let ids = event_ids(records);
    let known = events::find(unit, account_id, &ids).await?;
    let mut unknown: Vec<AmocrmEventId> = ids.into_iter().filter(|id| !known.contains_key(id)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let pending = events::count_in_state(unit, account_id, EventState::Pending, MAX_PENDING_EVENTS).await?;
    let absent = events::count_in_state(unit, account_id, EventState::Absent, MAX_ABSENT_EVENTS).await?;
    let room = u64::from(MAX_PENDING_EVENTS)
        .saturating_sub(pending)
        .min(u64::from(MAX_ABSENT_EVENTS).saturating_sub(absent));
    unknown.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    unknown.sort_unstable();
    unknown.dedup();
    let now = unit.now();
    events::insert_pending(unit, account_id, &unknown, now).await?;
    unit.enqueue_or_expedite(&ResolveEvents { account_id }).await?;
    Ok(())
}

/// A request for the transcription of a record.
#[derive(Debug, Clone)]
pub struct RecordRequest {
    /// The amoCRM account.
    pub account_id: AccountId,
    /// FlySense's install there.
    pub install_id: InstallId,
    /// Card of the record; used for note ids, because an event names its own.
    pub card: (EntityType, EntityId),
    /// amoCRM's number of the user who asked.
    pub requested_by: UserId,
    /// Speaker on the left channel of this account's recordings.
    pub left_channel: Role,
    /// Maximum runs of a call within a day.
    pub max_runs: u32,
}

/// Outcome of a request for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The note's transcription was requested.
    Requested(RequestOutcome),
    /// The transcription starts when the note is known.
    Waiting,
    /// amoCRM has no such call.
    Absent,
    /// The account has too many pending events, or too many requested notes that amoCRM has not returned.
    TooManyPending,
}

/// Requests the transcription of a record; of one whose note is unknown as soon as it is known.
pub async fn request_record(
    unit: &mut UnitOfWork,
    request: &RecordRequest,
    record: &RecordId,
    clock: &dyn Clock,
) -> StoreResult<RecordOutcome> {
    let (note_id, card) = match record {
        RecordId::Note(id) => (*id, request.card),
        RecordId::Event(id) => {
            let Some(event) = events::lock(unit, request.account_id, id).await? else {
                return wait_for_unknown(unit, request, id, record).await;
            };
            match (event.state, event.note_id(), event.entity_type, event.entity_id()) {
                (EventState::Absent, ..) => return Ok(RecordOutcome::Absent),
                (EventState::Resolved, Some(note_id), Some(entity_type), Some(entity_id)) => {
                    (note_id, (entity_type, entity_id))
                }
                _ => return wait(unit, request, id).await,
            }
        }
    };
    let call = CallRequest {
        account_id: request.account_id,
        install_id: request.install_id,
        entity_type: card.0,
        entity_id: card.1,
        note_id,
        requested_by: Some(request.requested_by),
        left_channel: request.left_channel,
    };
    let requested = request_by_user(unit, &call, request.max_runs, clock).await?;
    Ok(requested.map_or(RecordOutcome::TooManyPending, RecordOutcome::Requested))
}

async fn wait_for_unknown(
    unit: &mut UnitOfWork,
    request: &RecordRequest,
    id: &AmocrmEventId,
    record: &RecordId,
) -> StoreResult<RecordOutcome> {
    enqueue_resolution(unit, request.account_id, std::slice::from_ref(record)).await?;
    if events::lock(unit, request.account_id, id).await?.is_none() {
        return Ok(RecordOutcome::TooManyPending);
    }
    wait(unit, request, id).await
}

async fn wait(
    unit: &mut UnitOfWork,
    request: &RecordRequest,
    id: &AmocrmEventId,
) -> StoreResult<RecordOutcome> {
    let now = unit.now();
    if !events::request(unit, request.account_id, id, request.requested_by, now).await? {
        // The job resolved it in the meantime: the caller repeats the transaction.
        return Err(StoreError::WrongState { what: "event" });
    }
    unit.enqueue_or_expedite(&ResolveEvents { account_id: request.account_id }).await?;
    Ok(RecordOutcome::Waiting)
}
