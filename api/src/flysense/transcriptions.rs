//! `/v1/flysense/transcriptions`: transcriptions of calls.

use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::{EntityId, NoteId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_services::calls::{CallRequest, RequestOutcome, request_by_user};
use flysk_store::flysense::transcriptions;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::caller::authorize_caller;
use super::edit::{TranscriptionEdit, edit};
use super::found_call::{find, load_details};
use super::view::{TranscriptionDetails, TranscriptionView};
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// `Retry-After` while too many requested notes were not found, in seconds.
const UNSEEN_NOTES_RETRY_AFTER_S: u32 = 3_600;

/// Tag of FlySense's operations in the OpenAPI document.
#[derive(Tags)]
pub(super) enum Tag {
    /// FlySense: transcribes call recordings; called by its widget in amoCRM's cards.
    FlySense,
}

/// Request to transcribe a call.
#[derive(Debug, Object)]
#[oai(example)]
struct TranscriptionRequest {
    /// Id of the call note in amoCRM.
    note_id: u64,
    /// Type of the card.
    entity_type: Choice<EntityType>,
    /// Id of the card that contains the note.
    entity_id: u64,
}

impl poem_openapi::types::Example for TranscriptionRequest {
    fn example() -> Self {
        Self { note_id: 920_001, entity_type: EntityType::Lead.into(), entity_id: 700_001 }
    }
}

/// A page of transcriptions of one card, newest first.
#[derive(Debug, Object)]
pub(crate) struct TranscriptionPage {
    /// The transcriptions.
    items: Vec<TranscriptionView>,
    /// Value of `cursor` for the next page; null on the last page.
    next: Option<String>,
}

answers! {
    /// Responses of `createTranscription`.
    Created {
        /// The transcription: new, in progress or finished. A note has one transcription.
        202 => Accepted(Json<TranscriptionView>),
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
        /// The transcription ended without a transcript, and the daily limit of runs is reached; or too many requested notes of
        /// the account were not found in amoCRM today.
        429 => TooMany [TooManyRuns, TooManyRequests],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listTranscriptions`.
    Listed {
        /// A page of transcriptions.
        200 => Ok(Json<TranscriptionPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getTranscription`.
    Got {
        /// The transcription.
        200 => Ok(Json<TranscriptionDetails>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The account has no such transcription.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `editTranscription`.
    Edited {
        /// The changed transcription.
        200 => Ok(Json<TranscriptionDetails>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The account has no such transcription.
        404 => NotFound,
        /// Version conflict: the transcription has changed since `version`.
        409 => Conflict [VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The summary, a tag or the number of tags exceeds its limit.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on transcriptions.
pub(crate) struct TranscriptionsApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl TranscriptionsApi {
    /// Request the transcription of a call.
    ///
    /// The response is immediate; the work continues in the background, see `state`. A new request for a call that failed, was
    /// cancelled or had no speech starts another run. The number of runs per day is limited.
    #[oai(path = "/", method = "post", operation_id = "createTranscription")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<TranscriptionRequest>,
    ) -> Created {
        match create(&deps, &trace, &caller, &body.0).await {
            Ok(view) => Created::Accepted(Json(view)),
            Err(problem) => problem.into(),
        }
    }

    /// List the transcriptions of a card, newest first.
    #[oai(path = "/", method = "get", operation_id = "listTranscriptions")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Type of the card.
        entity_type: Query<Choice<EntityType>>,
        /// Id of the card.
        entity_id: Query<u64>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of transcriptions.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        match list(&deps, &caller, entity_type.0.0, entity_id.0, cursor.0, limit.0).await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }

    /// Get a transcription with its dialogue and analysis.
    #[oai(path = "/:id", method = "get", operation_id = "getTranscription")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
    ) -> Got {
        match get(&deps, &caller, &id.0).await {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }

    /// Change the summary, the tags, the labels or the roles of the speakers.
    #[oai(path = "/:id", method = "patch", operation_id = "editTranscription")]
    async fn edit(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
        body: StrictJson<TranscriptionEdit>,
    ) -> Edited {
        match edit(&deps, &trace, &caller, &id.0, &body.0).await {
            Ok(view) => Edited::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

fn default_limit() -> u32 {
    50
}

async fn create(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    body: &TranscriptionRequest,
) -> Result<TranscriptionView, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = CallRequest {
        account_id: user.account_id(),
        install_id: user.account.install_id,
        entity_type: body.entity_type.0,
        entity_id: EntityId(body.entity_id),
        note_id: NoteId(body.note_id),
        requested_by: Some(user.user_id),
        left_channel: user.account.left_channel,
    };
    // An authorized caller implies that FlySense is configured.
    let max_runs = deps.config.flysense.as_ref().map_or(1, |flysense| flysense.runs_per_day);
    let ask = || async {
        let mut unit = deps.begin(trace).await?;
        let Some(requested) = request_by_user(&mut unit, &call, max_runs, deps.clock()).await? else {
            let why = "too many requested notes of the account are not found in amoCRM";
            let problem = Problem::new(ProblemCode::TooManyRequests, why);
            return Err(problem.retry_after(UNSEEN_NOTES_RETRY_AFTER_S));
        };
        if let RequestOutcome::TooOften(_, again_at) = requested {
            let seconds = (again_at - deps.clock().now()).num_seconds().max(1);
            let why = format!("the call was started {max_runs} times within a day: retry after {again_at}");
            let problem = Problem::new(ProblemCode::TooManyRuns, why);
            return Err(problem.retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        let row = transcriptions::find(&mut unit, user.account_id(), requested.id()).await?;
        unit.commit().await?;
        Ok::<_, Problem>(row)
    };
    let row = repeat_contended(ask).await?;
    let row = row.ok_or_else(|| Problem::new(ProblemCode::Internal, "quote X-Request-Id to support"))?;
    Ok(TranscriptionView::new(&row, &user.account.host))
}

async fn list(
    deps: &Deps,
    caller: &WidgetCaller,
    entity: EntityType,
    entity_id: u64,
    cursor: Option<String>,
    limit: u32,
) -> Result<TranscriptionPage, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let before = cursor
        .map(|id| id.parse::<TranscriptionId>())
        .transpose()
        .map_err(|_| Problem::new(ProblemCode::BadRequest, "`cursor` must be the `next` of a page"))?;
    let mut conn = deps.conn().await?;
    let rows = transcriptions::list_by_entity(
        &mut conn,
        user.account_id(),
        entity,
        EntityId(entity_id),
        before,
        limit + 1,
    )
    .await?;
    let (wanted, host) = (limit as usize, &user.account.host);
    let next = (rows.len() > wanted).then(|| rows.get(wanted - 1).map(|row| row.id.to_string())).flatten();
    Ok(TranscriptionPage {
        items: rows.iter().take(wanted).map(|row| TranscriptionView::new(row, host)).collect(),
        next,
    })
}

async fn get(deps: &Deps, caller: &WidgetCaller, id: &str) -> Result<TranscriptionDetails, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    load_details(deps, &user, &call).await
}
