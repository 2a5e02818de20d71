//! `/v1/backend/deliveries`: the delivery log of all events of a widget.

use flysk_domain::platform::events::{AttemptOutcome, EventKind};
use flysk_store::platform::attempts::{self, AttemptFilter, LoggedAttempt};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::events::{DeliveryAttempt, cursor_number, install_in};
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::query::QueryTime;

/// Default number of attempts on a page.
fn default_limit() -> u32 {
    50
}

/// An attempt to deliver an event, with its event.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Delivery {
    /// Event id.
    event_id: String,
    /// Event type.
    #[oai(rename = "type")]
    kind: Choice<EventKind>,
    /// Account id in amoCRM.
    account_id: u64,
    /// Install id.
    install_id: String,
    /// The attempt.
    #[oai(flatten)]
    attempt: DeliveryAttempt,
}

impl Example for Delivery {
    fn example() -> Self {
        Self {
            event_id: "evt_01KCQJ2D4F6H8K0M2P4R6T8V0X".to_owned(),
            kind: EventKind::Deactivate.into(),
            account_id: 31_234_567,
            install_id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            attempt: DeliveryAttempt::example(),
        }
    }
}

impl From<LoggedAttempt> for Delivery {
    fn from(row: LoggedAttempt) -> Self {
        Self {
            event_id: row.event_id.to_string(),
            kind: row.kind.into(),
            account_id: row.account_id.0,
            install_id: row.install_id.to_string(),
            attempt: row.attempt.into(),
        }
    }
}

/// A page of the delivery log, newest first.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct DeliveryPage {
    /// The attempts.
    items: Vec<Delivery>,
    /// Value of `cursor` for the next page; null on the last page.
    next: Option<String>,
}

impl Example for DeliveryPage {
    fn example() -> Self {
        Self { items: vec![Delivery::example()], next: None }
    }
}

answers! {
    /// Responses of `listDeliveries`.
    Listed {
        /// A page of the log.
        200 => Ok(Json<DeliveryPage>),
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

/// Operation to read the delivery log, for backends.
pub(crate) struct DeliveriesApi;

#[OpenApi(tag = "Tag::Backend")]
impl DeliveriesApi {
    /// List all attempts to deliver events of the widget, newest first.
    #[oai(path = "/v1/backend/deliveries", method = "get", operation_id = "listDeliveries")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Only attempts with this outcome.
        outcome: Query<Option<Choice<AttemptOutcome>>>,
        /// Only attempts for events of this type.
        #[oai(name = "type")]
        kind: Query<Option<Choice<EventKind>>>,
        /// Only attempts for events of this account.
        account_id: Query<Option<u64>>,
        /// Only attempts that started at or after this time.
        from: Query<Option<QueryTime>>,
        /// Only attempts that started before this time.
        until: Query<Option<QueryTime>>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of attempts.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let filter = AttemptFilter {
            install_id: None,
            kind: kind.0.map(|kind| kind.0),
            outcome: outcome.0.map(|outcome| outcome.0),
            from: from.0.map(|time| time.0),
            until: until.0.map(|time| time.0),
        };
        let listed = async {
            let before = cursor_number(cursor.0.as_deref())?;
            let install_id = install_in(&deps, &caller.0, account_id.0).await?;
            list(&deps, &caller.0, &AttemptFilter { install_id, ..filter }, before, limit.0).await
        };
        match listed.await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

async fn list(
    deps: &Deps,
    widget: &Widget,
    filter: &AttemptFilter,
    before: Option<u64>,
    limit: u32,
) -> Result<DeliveryPage, Problem> {
    // One row more than requested shows whether there is a next page.
    let mut conn = deps.conn().await?;
    let mut rows = attempts::list_log(&mut conn, widget.id, filter, before, limit.saturating_add(1)).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(DeliveryPage { items: rows.into_iter().map(Delivery::from).collect(), next })
}
