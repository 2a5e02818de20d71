//! `/v1/backend/events`: what a backend was told, or should have been.

use chrono::{DateTime, Utc};
use flysk_domain::id::EventId;
use flysk_domain::trace::Trace;
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_store::platform::attempts;
use flysk_store::platform::events::{self, Event};
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

const MOST: u32 = 500;
const USUAL: u32 = 100;

/// Something that happened to an install, as it is delivered.
#[derive(Debug, Object)]
pub(crate) struct EventView {
    /// Its id; the same in every delivery.
    id: String,
    /// `install`, `activate` or `deactivate`.
    #[oai(rename = "type")]
    kind: String,
    /// The account.
    account_id: u64,
    /// The account's part of its host at that time.
    subdomain: String,
    /// The account's host at that time.
    base_domain: String,
    /// The install.
    install_id: String,
    /// Counts the install's events.
    sequence: u64,
    /// Counts the widget's events, without gaps: what to ask `after`.
    number: u64,
    /// When it happened.
    time: DateTime<Utc>,
    /// `waiting`, `delivered`, `refused` (410), `failed` or `unaddressed`.
    state: String,
}

/// A page of events.
#[derive(Debug, Object)]
pub(crate) struct EventPage {
    /// In order of `number`.
    events: Vec<EventView>,
    /// What to ask `after` next; the same as was asked if there was nothing.
    next: u64,
}

/// An attempt to deliver.
#[derive(Debug, Object)]
pub(crate) struct AttemptView {
    /// Which one, from 1.
    attempt: u32,
    /// When it began.
    started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    took_ms: u32,
    /// The HTTP status, if there was an answer.
    status: Option<u16>,
    /// Why there was none.
    error: Option<String>,
    /// The beginning of the answer.
    answer_head: Option<String>,
}

answers! {
    /// Answers of `listEvents`.
    Listed {
        /// A page of them.
        200 => Ok(Json<EventPage>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `listEventAttempts`.
    Attempted {
        /// The first first.
        200 => Ok(Json<Vec<AttemptView>>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// There is no such event.
        404 => NotFound,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `replayEvent`.
    Replayed {
        /// It will be delivered again, from the first attempt.
        202 => Accepted,
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// There is no such event.
        404 => NotFound,
        /// It is being delivered.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Events, server to server.
pub(crate) struct EventsApi;

#[OpenApi(tag = "Tag::Backend")]
impl EventsApi {
    /// What happened to the widget's installs after event number `after`.
    #[oai(path = "/v1/backend/events", method = "get", operation_id = "listEvents")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// The number of the last event known; 0 for the beginning.
        #[oai(default)]
        after: Query<u64>,
        /// At most so many, up to 500.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
    ) -> Listed {
        match list(&deps, &caller.0, after.0, limit.0.unwrap_or(USUAL).min(MOST)).await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }

    /// Every attempt to deliver an event.
    #[oai(path = "/v1/backend/events/:id/attempts", method = "get", operation_id = "listEventAttempts")]
    async fn attempts(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// The event's id.
        id: Path<String>,
    ) -> Attempted {
        match list_attempts(&deps, &caller.0, &id.0).await {
            Ok(attempts) => Attempted::Ok(Json(attempts)),
            Err(problem) => problem.into(),
        }
    }

    /// Deliver an event once more.
    #[oai(path = "/v1/backend/events/:id/replay", method = "post", operation_id = "replayEvent")]
    async fn replay(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The event's id.
        id: Path<String>,
        _body: NoBody,
    ) -> Replayed {
        match replay(&deps, &trace, &caller.0, &id.0).await {
            Ok(()) => Replayed::Accepted,
            Err(problem) => problem.into(),
        }
    }
}

async fn list(deps: &Deps, widget: &Widget, after: u64, limit: u32) -> Result<EventPage, Problem> {
    let rows = events::list_after(on(&mut deps.conn().await?), widget.id, after, limit).await?;
    let next = rows.last().map_or(after, |event| event.number);
    Ok(EventPage { events: rows.iter().map(EventView::from).collect(), next })
}

async fn list_attempts(deps: &Deps, widget: &Widget, id: &str) -> Result<Vec<AttemptView>, Problem> {
    let event = find(deps, widget, id).await?;
    let rows = attempts::list(on(&mut deps.conn().await?), event.id).await?;
    Ok(rows
        .into_iter()
        .map(|row| AttemptView {
            attempt: row.attempt,
            started_at: row.started_at,
            took_ms: row.took_ms,
            status: row.status,
            error: row.error,
            answer_head: row.answer_head,
        })
        .collect())
}

async fn replay(deps: &Deps, trace: &Trace, widget: &Widget, id: &str) -> Result<(), Problem> {
    let event = find(deps, widget, id).await?;
    let start_again = || async {
        let mut unit = deps.begin(trace).await?;
        if !events::start_again(&mut unit, event.id).await? {
            return Err(Problem::new(ProblemCode::WrongState, "the event is being delivered"));
        }
        unit.enqueue(&DeliverEvent { event_id: event.id }).await?;
        Ok(unit.commit().await?)
    };
    repeat_contended(start_again).await
}

/// The widget's own event: another's is not there for it.
async fn find(deps: &Deps, widget: &Widget, id: &str) -> Result<Event, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "there is no such event");
    let id: EventId = id.parse().map_err(|_| unknown())?;
    let event = events::find(on(&mut deps.conn().await?), id).await?;
    event.filter(|event| event.widget_id == widget.id).ok_or_else(unknown)
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            account_id: event.account_id.0,
            subdomain: event.host.split('.').next().unwrap_or_default().to_owned(),
            base_domain: event.host.clone(),
            install_id: event.install_id.to_string(),
            sequence: event.sequence,
            number: event.number,
            time: event.happened_at,
            state: event.state.to_string(),
        }
    }
}
