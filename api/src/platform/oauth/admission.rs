//! Which line a code stands in, and how many may wait there.
//!
//! A state that an account's administrator got in a handshake vouches for a code; anything else anybody can make: a request
//! without a state, and a state of a first connection. amoCRM never sends a code twice, so a code is not turned away because
//! others fill the line: the oldest of those that have less claim to it is forgotten.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::Unit;
use flysk_jobs::oauth::{ExchangeCode, ExchangeVouchedCode};
use flysk_store::StoreResult;
use flysk_store::platform::connect_states::ConnectState;
use flysk_store::platform::oauth_codes;
use flysk_store::platform::unvouched_codes::{self, Displaced};
use flysk_store::platform::widgets::Widget;

use super::callback::bad;
use crate::problem::{Problem, ProblemCode};

/// Codes of one widget that wait although no state vouches for them.
const MAX_WAITING_OF_WIDGET: i64 = 1_000;
/// Those of them from one source. Each good code that came from there before allows one more, up to a bound: anybody can
/// connect an account of his own often.
const MAX_WAITING_FROM_SOURCE: i64 = 200;
/// How many more good codes allow at most.
const MAX_CREDIT_ROOM: i64 = 100;
/// Codes of one widget and account that states vouch for: who holds such a state may bring any code with it, and any number
/// of states is to be had.
const MAX_VOUCHED_OF_ACCOUNT: i64 = 5;
/// How long it is remembered that there is no account at a host.
const NO_ACCOUNT_LASTS: TimeDelta = TimeDelta::minutes(5);

/// A code that has just been kept.
pub(super) struct Arrival<'a> {
    pub(super) id: OauthCodeId,
    pub(super) widget: &'a Widget,
    pub(super) host: &'a AccountHost,
    pub(super) source: &'a str,
    /// How many codes from there were good before.
    pub(super) credit: i64,
    /// What its state was made for.
    pub(super) begun: Option<ConnectState>,
    pub(super) at: DateTime<Utc>,
}

/// Puts a kept code into its line, with the job that comes with it.
pub(super) async fn admit(unit: &mut Unit, arrival: &Arrival<'_>) -> Result<(), Problem> {
    if vouch(unit, arrival).await? {
        unit.enqueue(&ExchangeVouchedCode { code_id: arrival.id }).await?;
        count("vouched");
        return Ok(());
    }
    let since = arrival.at - NO_ACCOUNT_LASTS;
    if unvouched_codes::has_no_account(unit, arrival.host.as_str(), since).await? {
        count("no_account");
        return Err(bad("there is no account at this host"));
    }
    match make_room(unit, arrival).await? {
        Room::Free => {
            unit.enqueue(&ExchangeCode { code_id: arrival.id }).await?;
        }
        // The job of the forgotten one is a turn like any other, and becomes this one's.
        Room::Made => count("displaced"),
        Room::None => {
            count("full");
            return Err(Problem::new(
                ProblemCode::TooManyRequests,
                "too many codes of the widget wait already",
            ));
        }
    }
    count("unvouched");
    Ok(())
}

/// Whether the state the code came with vouches for it.
async fn vouch(unit: &mut Unit, arrival: &Arrival<'_>) -> StoreResult<bool> {
    let Some(account) = arrival.begun.as_ref().and_then(|begun| begun.account_id) else { return Ok(false) };
    oauth_codes::expect_account(unit, arrival.id, account).await?;
    if oauth_codes::count_vouched(unit, arrival.widget.id, account).await? >= MAX_VOUCHED_OF_ACCOUNT {
        return Ok(false);
    }
    oauth_codes::vouch(unit, arrival.id).await?;
    Ok(true)
}

enum Room {
    /// There was some.
    Free,
    /// Another code was forgotten.
    Made,
    /// Nothing that waits may be forgotten for this one.
    None,
}

/// The bounds are not exact: codes that arrive at one moment do not see each other.
async fn make_room(unit: &mut Unit, arrival: &Arrival<'_>) -> StoreResult<Room> {
    let widget = arrival.widget.id;
    let waiting = unvouched_codes::count_waiting(unit, widget, arrival.source).await?;
    let is_widget_full = waiting.of_widget > MAX_WAITING_OF_WIDGET;
    if !is_widget_full && waiting.from_source <= MAX_WAITING_FROM_SOURCE + arrival.credit.min(MAX_CREDIT_ROOM)
    {
        return Ok(Room::Free);
    }
    let own = Displaced::From(arrival.source);
    let in_order = if is_widget_full { [Displaced::WithoutCredit, own] } else { [own, own] };
    for which in in_order {
        if unvouched_codes::displace(unit, widget, which, arrival.id).await? {
            return Ok(Room::Made);
        }
    }
    Ok(if is_widget_full { Room::None } else { Room::Free })
}

fn count(outcome: &'static str) {
    metrics::counter!("flysk_oauth_codes_total", "outcome" => outcome).increment(1);
}
