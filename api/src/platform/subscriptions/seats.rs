//! Occupied seats, for widgets and backends, and freeing a seat.

use chrono::NaiveDate;
use flysk_domain::id::{AccountId, InstallId, UserId};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{
    OccupiedSeat, free_seat, list_occupied_seats, open_late_subscription, settings_of,
};
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::backend::find_install;
use super::examples::example_day;
use super::work::{actor, lock, must_sell, not_sold};
use crate::auth::{BackendCaller, WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;
use crate::time::Time;

/// A seat that a user occupies.
#[derive(Debug, Object)]
#[oai(rename = "OccupiedSeat", example)]
pub(crate) struct SeatView {
    /// User id in amoCRM.
    user_id: u64,
    /// Name of the user in amoCRM; null in the first minutes, and if the account's grant may not read users.
    user_name: Option<String>,
    /// When the user took the seat.
    taken_at: Time,
    /// The user's latest handshake, at most an hour late.
    seen_at: Time,
    /// Day from which the user has no seat, Moscow time, because the subscription will have fewer; null if the seat stays.
    lost_on: Option<NaiveDate>,
}

impl Example for SeatView {
    fn example() -> Self {
        Self {
            user_id: 501,
            user_name: Some("Анна Петрова".to_owned()),
            taken_at: Time::example(),
            seen_at: Time::example(),
            lost_on: Some(example_day(31)),
        }
    }
}

impl From<&OccupiedSeat> for SeatView {
    fn from(occupied: &OccupiedSeat) -> Self {
        Self {
            user_id: occupied.seat.user.0,
            user_name: occupied.name.clone(),
            taken_at: occupied.seat.taken_at.into(),
            seen_at: occupied.seat.seen_at.into(),
            lost_on: occupied.lost_on,
        }
    }
}

/// All seats that users occupy, first comers first.
#[derive(Debug, Object)]
#[oai(rename = "OccupiedSeatPage")]
pub(crate) struct SeatPage {
    /// The seats; empty if the widget gives no seats to users.
    items: Vec<SeatView>,
    /// Always null: the list has one page.
    next: Option<String>,
}

answers! {
    /// Responses of `listSeats` and `freeSeat`.
    Seated {
        /// The seats that users occupy.
        200 => Ok(Json<SeatPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The user has no seat.
        404 => NotFound,
        /// The widget sells no subscriptions, or the subscription changed meanwhile.
        409 => Conflict [SubscriptionsNotUsed, VersionConflict, WrongState],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listBackendSeats`.
    BackendSeated {
        /// The seats that users occupy.
        200 => Ok(Json<SeatPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound [InstallNotFound],
        /// The widget sells no subscriptions.
        409 => Conflict [SubscriptionsNotUsed, WrongState],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on seats.
pub(crate) struct SeatsApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl SeatsApi {
    /// List the users who occupy seats, first comers first. The list has one page.
    #[oai(path = "/v1/subscription/seats", method = "get", operation_id = "listSeats")]
    async fn list(&self, deps: Data<&Deps>, trace: Data<&Trace>, caller: WidgetCaller) -> Seated {
        let user = caller.0;
        let found = async {
            must_sell(&user)?;
            list_seats(&deps, &trace, &user.widget, user.install.id).await
        };
        match found.await {
            Ok(seats) => Seated::Ok(Json(page(&seats))),
            Err(problem) => problem.into(),
        }
    }

    /// Free the seat of a user. Only for administrators of the account.
    ///
    /// The next user without a seat who opens the widget gets it. That may be the same user: free the seat of a user who does not
    /// use the widget any more.
    #[oai(path = "/v1/subscription/seats/:user_id", method = "delete", operation_id = "freeSeat")]
    async fn free(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// User id in amoCRM.
        user_id: Path<String>,
        _body: NoBody,
    ) -> Seated {
        match free_found_seat(&deps, &trace, &caller.0, &user_id.0).await {
            Ok(seats) => Seated::Ok(Json(page(&seats))),
            Err(problem) => problem.into(),
        }
    }
}

/// The operation for backends.
pub(crate) struct BackendSeatsApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl BackendSeatsApi {
    /// List the users of an account who occupy seats, first comers first. The list has one page.
    #[oai(path = "/v1/backend/subscription/seats", method = "get", operation_id = "listBackendSeats")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Account id in amoCRM.
        account_id: Query<u64>,
    ) -> BackendSeated {
        let widget = caller.0;
        let found = async {
            let install = find_install(&deps, &widget, AccountId(account_id.0)).await?;
            if !widget.uses_subscriptions {
                return Err(not_sold());
            }
            list_seats(&deps, &trace, &widget, install.id).await
        };
        match found.await {
            Ok(seats) => BackendSeated::Ok(Json(page(&seats))),
            Err(problem) => problem.into(),
        }
    }
}

fn page(seats: &[OccupiedSeat]) -> SeatPage {
    SeatPage { items: seats.iter().map(SeatView::from).collect(), next: None }
}

/// Lists the occupied seats of an install; none if its widget gives no seats to users.
pub(crate) async fn list_seats(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> Result<Vec<OccupiedSeat>, Problem> {
    if !settings_of(widget).seats_per_user {
        return Ok(Vec::new());
    }
    let found = subscriptions::find_subscription_of_install(&mut *deps.conn().await?, install).await?;
    let row = match found {
        Some(row) => row,
        None => open_late_subscription(&deps.outbox, trace, widget, install).await?,
    };
    Ok(list_occupied_seats(&mut *deps.conn().await?, &row).await?)
}

/// Frees the seat of a user, for an administrator of the account. Returns the seats after it.
pub(crate) async fn free_found_seat(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetUser,
    user: &str,
) -> Result<Vec<OccupiedSeat>, Problem> {
    caller.must_be_admin()?;
    let absent = || Problem::new(ProblemCode::NotFound, "the user has no seat");
    let user: UserId = user.parse().map_err(|_| absent())?;
    let free = || async {
        let (mut unit, row) = lock(deps, trace, caller).await?;
        if !free_seat(&mut unit, deps.clock(), &row, user, actor(caller), None).await? {
            return Err(absent());
        }
        let left = list_occupied_seats(&mut unit, &row).await?;
        unit.commit().await?;
        Ok::<_, Problem>(left)
    };
    let left = repeat_contended(free).await?;
    deps.cache.invalidate_install(caller.install.id);
    Ok(left)
}
