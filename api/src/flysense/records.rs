//! `/v1/flysense/transcriptions/lookup` and `/batch`: transcriptions of the records of a card's feed, many at once.

use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::record::RecordId;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::EntityId;
use flysk_domain::trace::Trace;
use flysk_services::calls::RequestOutcome;
use flysk_services::calls::records::{self, RecordOutcome, RecordRequest, RecordState};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, ToJSON as _};
use poem_openapi::{Enum, Object, OpenApi};
use sha2::{Digest as _, Sha256};

use super::caller::{FlysenseUser, authorize_caller};
use super::transcriptions::Tag;
use super::view::TranscriptionView;
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// Maximum number of records of a lookup; a card seldom shows more.
const MAX_RECORDS_PER_LOOKUP: usize = 300;
/// Maximum number of records of a request.
const MAX_RECORDS_PER_REQUEST: usize = 50;

/// Records to look up.
#[derive(Debug, Object)]
#[oai(example)]
struct RecordLookup {
    /// Ids of records of the feed (`data-id`): event ids or note ids, 1 to 300.
    record_ids: Vec<String>,
    /// `version` of the last answer about the same records. If nothing has changed since, the answer has no items.
    version: Option<String>,
}

impl Example for RecordLookup {
    fn example() -> Self {
        Self { record_ids: vec!["01drbfj5a8k9zd60bgg907a6w9".to_owned(), "920001".to_owned()], version: None }
    }
}

/// Records whose transcriptions are requested.
#[derive(Debug, Object)]
#[oai(example)]
struct RecordBatch {
    /// Type of the card that contains the records, used for note ids. An event names its own card.
    entity_type: Choice<EntityType>,
    /// Id of the card.
    entity_id: u64,
    /// Ids of records of the feed (`data-id`): event ids or note ids, 1 to 50.
    record_ids: Vec<String>,
}

impl Example for RecordBatch {
    fn example() -> Self {
        Self {
            entity_type: EntityType::Lead.into(),
            entity_id: 700_001,
            record_ids: vec!["01drbfj5a8k9zd60bgg907a6w9".to_owned()],
        }
    }
}

/// State of a record. States may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum CallRecordState {
    /// The call has no transcription.
    None,
    /// The note behind the event is not known yet.
    Resolving,
    /// amoCRM has no such call.
    Unknown,
    /// The call has a transcription, see its `state`.
    Transcribed,
}

/// Why the transcription of a record was not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum RecordProblem {
    /// The call ended without a transcript, and its daily limit of runs is reached.
    TooManyRuns,
    /// Too many events of the account wait to be resolved, or too many requested notes were not found: repeat the request later.
    TooManyPending,
}

/// A record of the feed and its transcription.
#[derive(Debug, Clone, Object)]
#[oai(example)]
struct CallRecord {
    /// The record's id, as in the request.
    record_id: String,
    /// State of the record.
    state: CallRecordState,
    /// Whether to ask again soon: the record is being resolved, or its transcription is in progress.
    is_pending: bool,
    /// Whether a transcription starts as soon as the record is resolved.
    is_requested: bool,
    /// Id of the call note; null until it is known.
    note_id: Option<u64>,
    /// Why the transcription was not requested; null if it was, or in a lookup.
    problem: Option<RecordProblem>,
    /// The transcription; null without one.
    transcription: Option<TranscriptionView>,
}

impl Example for CallRecord {
    fn example() -> Self {
        Self {
            record_id: "01drbfj5a8k9zd60bgg907a6w9".to_owned(),
            state: CallRecordState::Transcribed,
            is_pending: false,
            is_requested: false,
            note_id: Some(920_001),
            problem: None,
            transcription: Some(TranscriptionView::example()),
        }
    }
}

impl CallRecord {
    fn new(record: &RecordId, state: &RecordState, host: &str) -> Self {
        let plain = |state, is_pending, is_requested| Self {
            record_id: record.to_string(),
            state,
            is_pending,
            is_requested,
            note_id: None,
            problem: None,
            transcription: None,
        };
        match state {
            RecordState::Resolving { requested } => plain(CallRecordState::Resolving, true, *requested),
            RecordState::Absent => plain(CallRecordState::Unknown, false, false),
            RecordState::Known { note_id, transcription: None } => {
                Self { note_id: Some(note_id.0), ..plain(CallRecordState::None, false, false) }
            }
            RecordState::Known { note_id, transcription: Some(call) } => Self {
                note_id: Some(note_id.0),
                transcription: Some(TranscriptionView::new(call, host)),
                ..plain(CallRecordState::Transcribed, is_pending(call.state), false)
            },
        }
    }
}

/// A call without balance waits for a top-up, which may take days, but its page should notice it.
fn is_pending(state: TranscriptionState) -> bool {
    !state.is_final()
}

/// Records in the order of the request.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CallRecords {
    /// The records; empty if nothing has changed since `version` of the request.
    items: Vec<CallRecord>,
    /// Version of the items, for the next lookup of the same records.
    version: String,
    /// Whether nothing has changed since `version` of the request.
    unchanged: bool,
}

impl Example for CallRecords {
    fn example() -> Self {
        Self { items: vec![CallRecord::example()], version: "5f0c6b1a9e3d7c42".to_owned(), unchanged: false }
    }
}

impl CallRecords {
    fn new(items: Vec<CallRecord>, known: Option<&str>) -> Self {
        let text = items.to_json().unwrap_or_default().to_string();
        let digest = format!("{:x}", Sha256::digest(text));
        let version: String = digest.chars().take(16).collect();
        let unchanged = known == Some(version.as_str());
        Self { items: if unchanged { Vec::new() } else { items }, version, unchanged }
    }
}

answers! {
    /// Responses of `lookUpTranscriptions`.
    LookedUp {
        /// The records.
        200 => Ok(Json<CallRecords>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A record id is not valid, or there are too many.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `requestTranscriptions`.
    Requested {
        /// The records with their new states.
        202 => Accepted(Json<CallRecords>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A record id is not valid, or there are too many.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on records of a card's feed.
pub(crate) struct RecordsApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl RecordsApi {
    /// Look up the transcriptions of a card's records.
    ///
    /// For opening a card, with all its records, and for polling, with those that are pending. Events whose notes are unknown
    /// are resolved in the background.
    #[oai(path = "/lookup", method = "post", operation_id = "lookUpTranscriptions")]
    async fn look_up(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<RecordLookup>,
    ) -> LookedUp {
        match look_up(&deps, &trace, &caller, &body.0).await {
            Ok(found) => LookedUp::Ok(Json(found)),
            Err(problem) => problem.into(),
        }
    }

    /// Request the transcriptions of a card's records.
    ///
    /// The work continues in the background; poll the records. An event whose note is not known yet is accepted: its
    /// transcription starts when it is.
    #[oai(path = "/batch", method = "post", operation_id = "requestTranscriptions")]
    async fn request(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<RecordBatch>,
    ) -> Requested {
        match request(&deps, &trace, &caller, &body.0).await {
            Ok(requested) => Requested::Accepted(Json(requested)),
            Err(problem) => problem.into(),
        }
    }
}

fn record_ids(texts: &[String], max: usize) -> Result<Vec<RecordId>, Problem> {
    if texts.is_empty() || texts.len() > max {
        return Err(Problem::new(ProblemCode::Invalid, format!("send 1 to {max} record ids")));
    }
    let invalid = |error| Problem::new(ProblemCode::Invalid, format!("record_ids: {error}"));
    texts.iter().map(|text| text.parse().map_err(invalid)).collect()
}

async fn look_up(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    body: &RecordLookup,
) -> Result<CallRecords, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let ids = record_ids(&body.record_ids, MAX_RECORDS_PER_LOOKUP)?;
    let mut conn = deps.conn().await?;
    let is_new = records::has_unknown_events(&mut conn, user.account_id(), &ids).await?;
    drop(conn);
    if is_new {
        let write = || async {
            let mut unit = deps.begin(trace).await?;
            records::enqueue_resolution(&mut unit, user.account_id(), &ids).await?;
            Ok::<_, Problem>(unit.commit().await?)
        };
        repeat_contended(write).await?;
    }
    let items = load(deps, &user, &ids).await?;
    Ok(CallRecords::new(items, body.version.as_deref()))
}

async fn load(deps: &Deps, user: &FlysenseUser, ids: &[RecordId]) -> Result<Vec<CallRecord>, Problem> {
    let mut conn = deps.conn().await?;
    let states = records::look_up(&mut conn, user.account_id(), ids).await?;
    let host = &user.account.host;
    Ok(ids.iter().zip(&states).map(|(id, state)| CallRecord::new(id, state, host)).collect())
}

async fn request(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    body: &RecordBatch,
) -> Result<CallRecords, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let ids = record_ids(&body.record_ids, MAX_RECORDS_PER_REQUEST)?;
    let request = RecordRequest {
        account_id: user.account_id(),
        install_id: user.account.install_id,
        card: (body.entity_type.0, EntityId(body.entity_id)),
        requested_by: user.user_id,
        left_channel: user.account.left_channel,
        // An authorized caller implies that FlySense is configured.
        max_runs: deps.config.flysense.as_ref().map_or(1, |flysense| flysense.runs_per_day),
    };
    let mut problems = Vec::with_capacity(ids.len());
    for id in &ids {
        // One transaction per record: a long one would hold the locks of all calls.
        let ask = || async {
            let mut unit = deps.begin(trace).await?;
            let outcome = records::request_record(&mut unit, &request, id, deps.clock()).await?;
            unit.commit().await?;
            Ok::<_, Problem>(outcome)
        };
        problems.push(problem_of(repeat_contended(ask).await?));
    }
    let mut items = load(deps, &user, &ids).await?;
    for (item, problem) in items.iter_mut().zip(problems) {
        item.problem = problem;
    }
    Ok(CallRecords::new(items, None))
}

fn problem_of(outcome: RecordOutcome) -> Option<RecordProblem> {
    match outcome {
        RecordOutcome::Requested(RequestOutcome::TooOften(..)) => Some(RecordProblem::TooManyRuns),
        RecordOutcome::TooManyPending => Some(RecordProblem::TooManyPending),
        RecordOutcome::Requested(_) | RecordOutcome::Waiting | RecordOutcome::Absent => None,
    }
}
