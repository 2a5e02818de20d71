//! Test events and replays, for backends.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_domain::platform::events::{EventKind, Test};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::lifecycle::ReplayEvents;
use flysk_services::events::{self as events_service, NewEvent};
use flysk_store::platform::events::{self, EventState};
use flysk_store::platform::install_list;
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::events::{RecordedEvent, find, install_in};
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{ExactJson, NoBody, StrictJson};
use crate::time::Time;

/// Request to send a test event.
#[derive(Debug, Object)]
#[oai(example)]
struct TestEventRequest {
    /// Account id in amoCRM; by default the account of the newest active install.
    account_id: Option<u64>,
}

impl Example for TestEventRequest {
    fn example() -> Self {
        Self { account_id: Some(31_234_567) }
    }
}

/// Request to replay events.
#[derive(Debug, Object)]
#[oai(example)]
struct EventReplayRequest {
    /// Events at or after this time.
    from: Time,
    /// Events before this time; by default all until now.
    until: Option<Time>,
    /// Only events in one of these states; by default those that were not delivered.
    #[oai(validator(min_items = 1))]
    states: Option<Vec<Choice<EventState>>>,
    /// Only events of this type.
    #[oai(rename = "type")]
    kind: Option<Choice<EventKind>>,
    /// Only events of this account.
    account_id: Option<u64>,
}

impl Example for EventReplayRequest {
    fn example() -> Self {
        Self {
            from: Time::example(),
            until: None,
            states: Some(vec![EventState::Failed.into()]),
            kind: None,
            account_id: None,
        }
    }
}

answers! {
    /// Responses of `sendTestEvent`.
    Tested {
        /// The event, whose delivery begins now.
        202 => Accepted(ExactJson<RecordedEvent>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has never installed the widget, or no install is active.
        404 => NotFound [InstallNotFound],
        /// Another request changed the install.
        409 => Conflict [VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `replayEvent`.
    Replayed {
        /// The delivery starts again with the first attempt, now.
        202 => Accepted,
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// No such event.
        404 => NotFound,
        /// Another request changed the event.
        409 => Conflict [VersionConflict],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `replayEvents`.
    RangeReplayed {
        /// The events are being queued for delivery, in order.
        202 => Accepted,
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has never installed the widget.
        404 => NotFound [InstallNotFound],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// Waiting events cannot be selected, or the range is empty.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations to send events again, for backends.
pub(crate) struct EventReplaysApi;

#[OpenApi(tag = "Tag::Backend")]
impl EventReplaysApi {
    /// Send a test event, to check the event URL and the verification of signatures.
    ///
    /// It is an event of type `test` about an install, delivered and logged as every other event.
    #[oai(path = "/v1/backend/events/test", method = "post", operation_id = "sendTestEvent")]
    async fn test(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        body: StrictJson<TestEventRequest>,
    ) -> Tested {
        match send_test(&deps, &trace, &caller.0, body.0.account_id).await {
            Ok(event) => Tested::Accepted(ExactJson(event)),
            Err(problem) => problem.into(),
        }
    }

    /// Deliver an event again, whatever its state. A waiting event is tried now.
    ///
    /// If earlier events of the install wait, the first of them is tried now, because events of an install are delivered in
    /// order.
    #[oai(path = "/v1/backend/events/:event_id/replay", method = "post", operation_id = "replayEvent")]
    async fn replay(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Event id.
        event_id: Path<String>,
        _body: NoBody,
    ) -> Replayed {
        match replay(&deps, &trace, &caller.0, &event_id.0).await {
            Ok(()) => Replayed::Accepted,
            Err(problem) => problem.into(),
        }
    }

    /// Deliver all events of a period again that were not delivered, or those in other states.
    #[oai(path = "/v1/backend/events/replay", method = "post", operation_id = "replayEvents")]
    async fn replay_range(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        body: StrictJson<EventReplayRequest>,
    ) -> RangeReplayed {
        match replay_range(&deps, &trace, &caller.0, body.0).await {
            Ok(()) => RangeReplayed::Accepted,
            Err(problem) => problem.into(),
        }
    }
}

async fn send_test(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account: Option<u64>,
) -> Result<RecordedEvent, Problem> {
    let install = match install_in(deps, widget, account).await? {
        Some(install) => install,
        None => newest_active(deps, widget).await?,
    };
    let send = || async {
        let mut unit = deps.begin(trace).await?;
        let test = NewEvent::new(EventKind::Test, &Test::default())?;
        let now = deps.clock().now();
        let ids = events_service::emit(&mut unit, deps.clock(), install, &[test], now).await?;
        let id = ids
            .first()
            .ok_or_else(|| Problem::new(ProblemCode::Internal, "quote X-Request-Id to support"))?;
        let event = events::find(&mut unit, *id).await?;
        unit.commit().await?;
        event.ok_or_else(|| Problem::new(ProblemCode::Internal, "quote X-Request-Id to support"))
    };
    Ok(RecordedEvent::new(deps, &repeat_contended(send).await?))
}

async fn newest_active(deps: &Deps, widget: &Widget) -> Result<InstallId, Problem> {
    let mut conn = deps.conn().await?;
    let found = install_list::find_newest(&mut conn, widget.id, InstallStatus::Active).await?;
    let why = "the widget is active in no account: install it first";
    found.ok_or_else(|| Problem::new(ProblemCode::InstallNotFound, why))
}

async fn replay(deps: &Deps, trace: &Trace, widget: &Widget, id: &str) -> Result<(), Problem> {
    let event = find(deps, widget, id).await?;
    let deliver_again = || async {
        let mut unit = deps.begin(trace).await?;
        events_service::deliver_again(&mut unit, &event).await?;
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(deliver_again).await
}

/// Enqueues the job that replays the events: there may be any number of them.
async fn replay_range(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    request: EventReplayRequest,
) -> Result<(), Problem> {
    let install_id = install_in(deps, widget, request.account_id).await?;
    let now: DateTime<Utc> = deps.clock().now();
    let (from, until) = (request.from.0, request.until.map_or(now, |until| until.0));
    let invalid = |why: &str| Err(Problem::new(ProblemCode::Invalid, why));
    if from >= until {
        return invalid("`from` must be before `until`, which is now by default");
    }
    let undelivered = vec![EventState::Failed, EventState::Refused, EventState::Unaddressed];
    let states = request.states.map_or(undelivered, |states| states.iter().map(|state| state.0).collect());
    if states.contains(&EventState::Waiting) {
        return invalid("waiting events are being delivered already");
    }
    let job = ReplayEvents {
        widget_id: widget.id,
        install_id,
        kind: request.kind.map(|kind| kind.0.to_string()),
        states: states.iter().map(ToString::to_string).collect(),
        from,
        until,
        requested_at: now,
        after: 0,
    };
    let enqueue = || async {
        let mut unit = deps.begin(trace).await?;
        unit.enqueue(&job).await?;
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(enqueue).await
}
