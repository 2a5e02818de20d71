//! `/v1/backend/events`: events of the widget's installs and their delivery attempts.

use flysk_domain::id::{AccountId, EventId, InstallId};
use flysk_domain::platform::events::{AttemptOutcome, EventKind, StatusChanged, StatusReason};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_services::events::{data_for_backend, pay_link};
use flysk_store::JsonText;
use flysk_store::platform::attempts::{self, Attempt};
use flysk_store::platform::events::{self, Event, EventFilter, EventState};
use flysk_store::platform::installs;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::QueryTime;
use crate::strict_json::{ExactJson, FreeJson};
use crate::time::Time;

/// Default number of events on a page.
fn default_limit() -> u32 {
    50
}

/// An event of an install and the state of its delivery.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct RecordedEvent {
    /// Event id; the same in every delivery.
    id: String,
    /// Event type.
    #[oai(rename = "type")]
    kind: Choice<EventKind>,
    /// Account id in amoCRM.
    account_id: u64,
    /// First label of the account's host when the event happened.
    subdomain: String,
    /// The account's host when the event happened.
    base_domain: String,
    /// Install id.
    install_id: String,
    /// Number of the event among the install's events, which are delivered in this order.
    sequence: u64,
    /// Number of the event among the widget's events, without gaps.
    number: u64,
    /// Time of the event.
    time: Time,
    /// Data of the type, as delivered.
    data: FreeJson,
    /// State of the delivery.
    state: Choice<EventState>,
    /// Number of attempts since the event happened or was last replayed.
    attempts: u32,
}

impl Example for RecordedEvent {
    fn example() -> Self {
        let data = StatusChanged { status: InstallStatus::Inactive, reason: StatusReason::SwitchedOff };
        let text = serde_json::to_string(&data).unwrap_or_default();
        Self {
            id: "evt_01KCQJ2D4F6H8K0M2P4R6T8V0X".to_owned(),
            kind: EventKind::Deactivate.into(),
            account_id: 31_234_567,
            subdomain: "demo".to_owned(),
            base_domain: "demo.amocrm.ru".to_owned(),
            install_id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            sequence: 3,
            number: 17,
            time: Time::example(),
            data: FreeJson(JsonText::parse(&text).unwrap_or_else(|_| JsonText::empty_object())),
            state: EventState::Delivered.into(),
            attempts: 1,
        }
    }
}

impl RecordedEvent {
    /// The event as its widget's backend gets it.
    pub(super) fn new(deps: &Deps, event: &Event) -> Self {
        let stored = || event.data.clone().unwrap_or_else(JsonText::empty_object);
        let data = match pay_link(event, &deps.config.http.public_url, &deps.keyring) {
            Some(link) => data_for_backend(event, Some(&link))
                .and_then(|data| JsonText::parse(&data.to_string()))
                .unwrap_or_else(|_| stored()),
            None => stored(),
        };
        Self {
            id: event.id.to_string(),
            kind: event.kind.into(),
            account_id: event.account_id.0,
            subdomain: event.host.split('.').next().unwrap_or_default().to_owned(),
            base_domain: event.host.clone(),
            install_id: event.install_id.to_string(),
            sequence: event.sequence,
            number: event.number,
            time: event.happened_at.into(),
            data: FreeJson(data),
            state: event.state.into(),
            attempts: event.attempts,
        }
    }
}

/// A page of events, oldest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct EventPage {
    /// Events in order of `number`.
    items: Vec<RecordedEvent>,
    /// Value of `cursor` for the next page; null if there are no more events now.
    next: Option<String>,
}

impl Example for EventPage {
    fn example() -> Self {
        Self { items: vec![RecordedEvent::example()], next: None }
    }
}

/// An attempt to deliver an event.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct DeliveryAttempt {
    /// Number of the attempt, from 1; begins at 1 again with each replay.
    attempt: u32,
    /// Start of the attempt.
    started_at: Time,
    /// Duration of the attempt; 0 if it was interrupted.
    took_ms: u32,
    /// Outcome.
    outcome: Choice<AttemptOutcome>,
    /// HTTP status of the response; null without a response.
    status: Option<u16>,
    /// Reason why there was no response.
    error: Option<String>,
    /// Beginning of the response body.
    answer_head: Option<String>,
}

impl Example for DeliveryAttempt {
    fn example() -> Self {
        Self {
            attempt: 1,
            started_at: Time::example(),
            took_ms: 84,
            outcome: AttemptOutcome::Failed.into(),
            status: Some(500),
            error: None,
            answer_head: Some("Internal Server Error".to_owned()),
        }
    }
}

impl From<Attempt> for DeliveryAttempt {
    fn from(row: Attempt) -> Self {
        Self {
            attempt: row.attempt,
            started_at: row.started_at.into(),
            took_ms: row.took_ms,
            outcome: AttemptOutcome::of(row.status, row.interrupted).into(),
            status: row.status,
            error: row.error,
            answer_head: row.answer_head,
        }
    }
}

/// All attempts to deliver an event, oldest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct DeliveryAttemptPage {
    /// The attempts.
    items: Vec<DeliveryAttempt>,
    /// Always null: there is one page.
    next: Option<String>,
}

impl Example for DeliveryAttemptPage {
    fn example() -> Self {
        Self { items: vec![DeliveryAttempt::example()], next: None }
    }
}

answers! {
    /// Responses of `listEvents`.
    Listed {
        /// A page of events.
        200 => Ok(ExactJson<EventPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has never installed the widget.
        404 => NotFound [InstallNotFound],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getEvent`.
    Got {
        /// The event.
        200 => Ok(ExactJson<RecordedEvent>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// No such event.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listEventAttempts`.
    Attempted {
        /// The attempts.
        200 => Ok(Json<DeliveryAttemptPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// No such event.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations to read events, for backends.
pub(crate) struct EventsApi;

#[OpenApi(tag = "Tag::Backend")]
impl EventsApi {
    /// List events of the widget's installs, oldest first.
    #[oai(path = "/v1/backend/events", method = "get", operation_id = "listEvents")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Only events with a higher `number`, such as that of the last event that your backend has processed.
        after_number: Query<Option<u64>>,
        /// Only events of this type.
        #[oai(name = "type")]
        kind: Query<Option<Choice<EventKind>>>,
        /// Only events in this state.
        state: Query<Option<Choice<EventState>>>,
        /// Only events of this account.
        account_id: Query<Option<u64>>,
        /// Only events at or after this time.
        from: Query<Option<QueryTime>>,
        /// Only events before this time.
        until: Query<Option<QueryTime>>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of events.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let filter = EventFilter {
            install_id: None,
            kind: kind.0.map(|kind| kind.0),
            states: state.0.map(|state| state.0).into_iter().collect(),
            from: from.0.map(|time| time.0),
            until: until.0.map(|time| time.0),
            ended_before: None,
        };
        let listed = async {
            let after = cursor_number(cursor.0.as_deref())?.or(after_number.0).unwrap_or_default();
            let install_id = install_in(&deps, &caller.0, account_id.0).await?;
            list(&deps, &caller.0, &EventFilter { install_id, ..filter }, after, limit.0).await
        };
        match listed.await {
            Ok(page) => Listed::Ok(ExactJson(page)),
            Err(problem) => problem.into(),
        }
    }

    /// Get an event.
    #[oai(path = "/v1/backend/events/:event_id", method = "get", operation_id = "getEvent")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Event id.
        event_id: Path<String>,
    ) -> Got {
        match find(&deps, &caller.0, &event_id.0).await {
            Ok(event) => Got::Ok(ExactJson(RecordedEvent::new(&deps, &event))),
            Err(problem) => problem.into(),
        }
    }

    /// List all attempts to deliver an event, oldest first.
    #[oai(path = "/v1/backend/events/:event_id/attempts", method = "get", operation_id = "listEventAttempts")]
    async fn attempts(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Event id.
        event_id: Path<String>,
    ) -> Attempted {
        match list_attempts(&deps, &caller.0, &event_id.0).await {
            Ok(page) => Attempted::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

async fn list(
    deps: &Deps,
    widget: &Widget,
    filter: &EventFilter,
    after: u64,
    limit: u32,
) -> Result<EventPage, Problem> {
    // One row more than requested shows whether there is a next page.
    let mut conn = deps.conn().await?;
    let mut rows = events::list_after(&mut conn, widget.id, filter, after, limit.saturating_add(1)).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|last| last.number.to_string());
    Ok(EventPage { items: rows.iter().map(|event| RecordedEvent::new(deps, event)).collect(), next })
}

async fn list_attempts(deps: &Deps, widget: &Widget, id: &str) -> Result<DeliveryAttemptPage, Problem> {
    let event = find(deps, widget, id).await?;
    let rows = attempts::list(&mut *deps.conn().await?, event.id).await?;
    Ok(DeliveryAttemptPage { items: rows.into_iter().map(DeliveryAttempt::from).collect(), next: None })
}

/// The widget's event. Events of other widgets are not found.
pub(super) async fn find(deps: &Deps, widget: &Widget, id: &str) -> Result<Event, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such event");
    let id: EventId = id.parse().map_err(|_| unknown())?;
    let event = events::find(&mut *deps.conn().await?, id).await?;
    event.filter(|event| event.widget_id == widget.id).ok_or_else(unknown)
}

pub(super) fn cursor_number(cursor: Option<&str>) -> Result<Option<u64>, Problem> {
    let invalid = |_| Problem::new(ProblemCode::BadRequest, "`cursor` must be the `next` of a page");
    cursor.map(str::parse).transpose().map_err(invalid)
}

/// The widget's install in the account, in any status; `None` without an account.
pub(super) async fn install_in(
    deps: &Deps,
    widget: &Widget,
    account: Option<u64>,
) -> Result<Option<InstallId>, Problem> {
    let Some(account) = account else { return Ok(None) };
    let mut conn = deps.conn().await?;
    let found = installs::find_in_account(&mut conn, widget.id, AccountId(account)).await?;
    let why = "the account has never installed the widget";
    found.map(|install| Some(install.id)).ok_or_else(|| Problem::new(ProblemCode::InstallNotFound, why))
}
