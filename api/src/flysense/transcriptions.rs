//! `/v1/flysense/transcriptions`.

use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::utterance::Utterance;
use flysk_domain::id::{EntityId, NoteId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_jobs::calls::request::{CallRequest, Requested, request};
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::flysense::{stages, transcripts};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::caller::{FlysenseUser, admit};
use super::view::{TranscriptView, TranscriptionView};
use crate::auth::WidgetCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// Groups FlySense's operations in the document.
#[derive(Tags)]
pub(super) enum Tag {
    /// Call recordings to dialogues, inside the amoCRM card.
    FlySense,
}

/// Which call to transcribe.
#[derive(Debug, Object)]
#[oai(example)]
struct NewTranscription {
    /// The call note in amoCRM.
    note_id: u64,
    /// `leads`, `contacts`, `companies` or `customers`.
    entity_type: String,
    /// Whose card the note is in.
    entity_id: u64,
}

impl poem_openapi::types::Example for NewTranscription {
    fn example() -> Self {
        Self { note_id: 920_001, entity_type: "leads".to_owned(), entity_id: 700_001 }
    }
}

/// What a manager changes. Fields that are left out stay as they are.
#[derive(Debug, Object)]
#[oai(example)]
struct Edit {
    /// The version that was read.
    version: u32,
    /// The summary, up to 20,000 characters.
    summary: Option<String>,
    /// All tags: up to 20 of up to 60 characters.
    tags: Option<Vec<String>>,
    /// Whether operator and client are the other way round.
    roles_swapped: Option<bool>,
}

impl poem_openapi::types::Example for Edit {
    fn example() -> Self {
        Self {
            version: 0, summary: None, tags: Some(vec!["перезвонить".to_owned()]), roles_swapped: None
        }
    }
}

/// Transcriptions of one card, youngest first.
#[derive(Debug, Object)]
pub(crate) struct Page {
    /// The transcriptions.
    items: Vec<TranscriptionView>,
    /// Pass it as `before` for the next page; null at the end.
    next: Option<String>,
}

answers! {
    /// Answers of `createTranscription`.
    Created {
        /// It is under way, or was done before: the same note is transcribed once.
        202 => Accepted(Json<TranscriptionView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// No such kind of card.
        422 => Invalid,
        /// It ended without a transcript and was started as often as it may be within a day.
        429 => TooManyRuns after "Retry-After",
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `listTranscriptions`.
    Listed {
        /// One page.
        200 => Ok(Json<Page>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// No such kind of card.
        422 => Invalid,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `getTranscription`.
    Got {
        /// The transcription.
        200 => Ok(Json<TranscriptView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// There is none of this id in the account.
        404 => NotFound,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `editTranscription`.
    Edited {
        /// As it is now.
        200 => Ok(Json<TranscriptView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// There is none of this id in the account.
        404 => NotFound,
        /// Somebody changed it meanwhile.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// Too long, or too many.
        422 => Invalid,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Transcriptions of calls.
pub(crate) struct TranscriptionsApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl TranscriptionsApi {
    /// Ask for a call's transcription.
    ///
    /// Answers at once; the call then goes through its stages, see `state`. Asking again for a call that
    /// failed, was stopped or had no speech starts it anew, so many times a day.
    #[oai(path = "/", method = "post", operation_id = "createTranscription")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<NewTranscription>,
    ) -> Created {
        match create(&deps, &trace, &caller, &body.0).await {
            Ok(view) => Created::Accepted(Json(view)),
            Err(problem) => problem.into(),
        }
    }

    /// The transcriptions of a card, youngest first.
    #[oai(path = "/", method = "get", operation_id = "listTranscriptions")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// `leads`, `contacts`, `companies` or `customers`.
        entity_type: Query<String>,
        /// Whose card.
        entity_id: Query<u64>,
        /// `next` of the page before.
        before: Query<Option<String>>,
        /// How many, up to 100.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        match list(&deps, &caller, &entity_type.0, entity_id.0, before.0, limit.0).await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }

    /// One transcription with its dialogue and everything found in it.
    #[oai(path = "/:id", method = "get", operation_id = "getTranscription")]
    async fn get(&self, deps: Data<&Deps>, caller: WidgetCaller, id: Path<String>) -> Got {
        match get(&deps, &caller, &id.0).await {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }

    /// Change the summary, the tags, or who is the operator.
    #[oai(path = "/:id", method = "patch", operation_id = "editTranscription")]
    async fn edit(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        id: Path<String>,
        body: StrictJson<Edit>,
    ) -> Edited {
        match edit(&deps, &trace, &caller, &id.0, &body.0).await {
            Ok(view) => Edited::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

fn default_limit() -> u32 {
    20
}

async fn create(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    body: &NewTranscription,
) -> Result<TranscriptionView, Problem> {
    let user = admit(deps, caller).await?;
    let call = CallRequest {
        account_id: user.account_id(),
        install_id: user.account.install_id,
        entity_type: entity_type(&body.entity_type)?.code().to_owned(),
        entity_id: EntityId(body.entity_id),
        note_id: NoteId(body.note_id),
        requested_by: Some(user.user_id),
        left_channel: user.account.left_channel.clone(),
    };
    // Whoever was admitted has FlySense configured.
    let max_runs = deps.config.flysense.as_ref().map_or(1, |flysense| flysense.runs_per_day);
    let ask = || async {
        let mut unit = deps.begin(trace).await?;
        let requested = request(&mut unit, &call, max_runs, deps.clock()).await?;
        if let Requested::TooOften(_, again_at) = requested {
            let seconds = (again_at - deps.clock().now()).num_seconds().max(1);
            let why = format!("the call was started {max_runs} times within a day; again from {again_at} on");
            let problem = Problem::new(ProblemCode::TooManyRuns, why);
            return Err(problem.retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        let row = transcriptions::find(&mut unit, user.account_id(), requested.id()).await?;
        unit.commit().await?;
        Ok::<_, Problem>(row)
    };
    let row = repeat_contended(ask).await?;
    let row = row.ok_or_else(|| Problem::new(ProblemCode::Internal, "told to our operators"))?;
    Ok(TranscriptionView::from(&row))
}

async fn list(
    deps: &Deps,
    caller: &WidgetCaller,
    entity: &str,
    entity_id: u64,
    before: Option<String>,
    limit: u32,
) -> Result<Page, Problem> {
    let user = admit(deps, caller).await?;
    let entity = entity_type(entity)?;
    let before = before
        .map(|id| id.parse::<TranscriptionId>())
        .transpose()
        .map_err(|_| Problem::new(ProblemCode::BadRequest, "`before` is not the `next` of a page"))?;
    let mut conn = deps.conn().await?;
    let rows = transcriptions::list_by_entity(
        on(&mut conn),
        user.account_id(),
        entity.code(),
        EntityId(entity_id),
        before,
        limit + 1,
    )
    .await?;
    let wanted = limit as usize;
    let next = (rows.len() > wanted).then(|| rows.get(wanted - 1).map(|row| row.id.to_string())).flatten();
    Ok(Page { items: rows.iter().take(wanted).map(TranscriptionView::from).collect(), next })
}

async fn get(deps: &Deps, caller: &WidgetCaller, id: &str) -> Result<TranscriptView, Problem> {
    let user = admit(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    view(deps, &call).await
}

async fn edit(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    id: &str,
    edit: &Edit,
) -> Result<TranscriptView, Problem> {
    let user = admit(deps, caller).await?;
    let tags = check(edit)?;
    let call = find(deps, &user, id).await?;
    let now = deps.clock().now();
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        let mut version = edit.version;
        if let Some(swapped) = edit.roles_swapped {
            transcriptions::set_channel_roles(&mut unit, call.id, version, swapped, now).await?;
            version += 1;
        }
        if edit.summary.is_some() || tags.is_some() {
            let summary = edit.summary.as_deref().map(str::trim);
            transcriptions::edit(&mut unit, call.id, version, summary, tags.as_deref(), user.user_id, now)
                .await?;
        }
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    let call = find(deps, &user, id).await?;
    view(deps, &call).await
}

/// Tags without spaces around them and each once, if there are any in the edit.
fn check(edit: &Edit) -> Result<Option<Vec<String>>, Problem> {
    let invalid = |why: &str| Problem::new(ProblemCode::Invalid, why);
    if edit.summary.as_ref().is_some_and(|summary| summary.chars().count() > 20_000) {
        return Err(invalid("`summary` is longer than 20,000 characters"));
    }
    let Some(tags) = &edit.tags else { return Ok(None) };
    let mut clean: Vec<String> = Vec::new();
    for tag in tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > 60 {
            return Err(invalid("a tag is longer than 60 characters"));
        }
        if !clean.iter().any(|known| known == tag) {
            clean.push(tag.to_owned());
        }
    }
    if clean.len() > 20 { Err(invalid("more than 20 tags")) } else { Ok(Some(clean)) }
}

fn entity_type(name: &str) -> Result<EntityType, Problem> {
    name.parse().map_err(|_| {
        Problem::new(ProblemCode::Invalid, "`entity_type` is one of leads, contacts, companies, customers")
    })
}

/// Another account's transcription is not there.
pub(super) async fn find(deps: &Deps, user: &FlysenseUser, id: &str) -> Result<Transcription, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such transcription in this account");
    let id: TranscriptionId = id.parse().map_err(|_| unknown())?;
    let mut conn = deps.conn().await?;
    transcriptions::find(on(&mut conn), user.account_id(), id).await?.ok_or_else(unknown)
}

async fn view(deps: &Deps, call: &Transcription) -> Result<TranscriptView, Problem> {
    let mut conn = deps.conn().await?;
    let found = transcripts::find::<Utterance, Analysis>(on(&mut conn), call.id).await?;
    let payment = payments::find(on(&mut conn), RunOf { id: call.id, run: call.run }).await?;
    let stages = stages::list(on(&mut conn), call.id, call.run).await?;
    Ok(TranscriptView::new(call, found, payment.as_ref(), &stages))
}
