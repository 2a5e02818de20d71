//! Occupied seats, and the button that frees one.

use flysk_domain::id::UserId;
use flysk_domain::russian::seats as seats_ru;
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{OccupiedSeat, SubscriptionDetails};
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};

use super::caller::Caller;
use super::done::Done;
use super::form::{Button, fields};
use super::texts::{day, moment};
use super::{answer, see_other};
use crate::deps::Deps;
use crate::platform::subscriptions::{free_found_seat, list_seats};
use crate::problem::{Problem, ProblemCode};

/// Seats on the page; the list of the API has all of them.
const MAX_SEATS_SHOWN: usize = 200;

/// A seat that is taken.
#[derive(Debug)]
pub(super) struct SeatRow {
    /// User id in amoCRM.
    pub(super) user: UserId,
    /// Name of the user, or the id.
    pub(super) name: String,
    /// Whether it is the reader's own seat.
    pub(super) is_own: bool,
    /// Since when.
    pub(super) taken: String,
    /// Latest use.
    pub(super) seen: String,
    /// Day from which the user has no seat.
    pub(super) lost_on: Option<String>,
}

/// The seats of a subscription whose widget gives seats to users.
#[derive(Debug)]
pub(super) struct SeatsView {
    /// Number of taken seats.
    pub(super) taken: u32,
    /// Number of all seats, in words.
    pub(super) all: String,
    /// Users who have the seats.
    pub(super) rows: Vec<SeatRow>,
    /// Number of seats that are not on the page.
    pub(super) hidden: usize,
}

impl SeatsView {
    /// Reads the seats; `None` if the widget gives no seats to users, and before the first purchase.
    pub(super) async fn load(
        deps: &Deps,
        trace: &Trace,
        caller: &Caller,
        details: &SubscriptionDetails,
    ) -> Result<Option<Self>, Problem> {
        let seats = details.seats.zip(details.row.subscription.seat_limit());
        let Some((count, limit)) = seats else { return Ok(None) };
        let user = &caller.user;
        let occupied = list_seats(deps, trace, &user.widget, user.install.id).await?;
        let row = |occupied: &OccupiedSeat| SeatRow {
            user: occupied.seat.user,
            name: occupied.name.clone().unwrap_or_else(|| format!("Пользователь {}", occupied.seat.user)),
            is_own: occupied.seat.user == user.user_id,
            taken: moment(occupied.seat.taken_at),
            seen: moment(occupied.seat.seen_at),
            lost_on: occupied.lost_on.map(day),
        };
        Ok(Some(Self {
            taken: count.taken,
            all: seats_ru(limit),
            hidden: occupied.len().saturating_sub(MAX_SEATS_SHOWN),
            rows: occupied.iter().take(MAX_SEATS_SHOWN).map(row).collect(),
        }))
    }
}

/// `POST /billing/subscription/{install}/seats/{user}/free`.
#[handler]
pub(super) async fn free(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, user)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        match free_found_seat(&deps, &trace, &caller.user, &user).await {
            Err(problem) if problem.problem_code() != ProblemCode::NotFound => Err(problem),
            // The button was pressed twice: the seat is free.
            Ok(_) | Err(_) => Ok(see_other(caller.path(&Done::SeatFreed.query()))),
        }
    }))
    .await
}
