//! Selects the queue of a new authorization code and limits the number of waiting codes.
//!
//! A code is vouched if it comes with a state that an administrator of the account received in a handshake. Everything else
//! can be forged: a request without a state, and a state of a first connection. amoCRM never sends a code twice, so a full
//! queue does not reject a code: the oldest waiting code with lower priority is deleted instead.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::platform::oauth::{ExchangeCode, ExchangeVouchedCode};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::connect_states::ConnectState;
use flysk_store::platform::oauth_codes;
use flysk_store::platform::unvouched_codes::{self, Displaced};
use flysk_store::platform::widgets::Widget;

use super::problems::bad_request;
use crate::problem::{Problem, ProblemCode};

/// Maximum number of waiting unvouched codes of a widget.
const MAX_WAITING_OF_WIDGET: i64 = 1_000;
/// The same per source. Each code from the source that was exchanged before raises this limit by one, up to
/// [`MAX_CREDIT_BONUS`]: anybody can connect their own account many times.
const MAX_WAITING_FROM_SOURCE: i64 = 200;
/// Maximum increase of the limit per source.
const MAX_CREDIT_BONUS: i64 = 100;
/// Maximum number of vouched codes of a widget and account. An administrator can get any number of states and send any code
/// with them.
const MAX_VOUCHED_OF_ACCOUNT: i64 = 5;
/// Time for which codes for a host are rejected after amoCRM reported that the host has no account.
const NO_ACCOUNT_TTL: TimeDelta = TimeDelta::minutes(5);

/// A code that was just stored.
pub(super) struct Arrival<'a> {
    pub(super) id: OauthCodeId,
    pub(super) widget: &'a Widget,
    pub(super) host: &'a AccountHost,
    pub(super) source: &'a str,
    /// Number of recently exchanged codes from the same source.
    pub(super) credit: i64,
    /// Data of the code's state.
    pub(super) begun: Option<ConnectState>,
    pub(super) at: DateTime<Utc>,
}

/// Adds a stored code to its queue and enqueues the job that exchanges it.
pub(super) async fn admit_code(unit: &mut UnitOfWork, arrival: &Arrival<'_>) -> Result<(), Problem> {
    if vouch(unit, arrival).await? {
        unit.enqueue(&ExchangeVouchedCode { code_id: arrival.id }).await?;
        count("vouched");
        return Ok(());
    }
    let since = arrival.at - NO_ACCOUNT_TTL;
    if unvouched_codes::has_no_account(unit, arrival.host.as_str(), since).await? {
        count("no_account");
        return Err(bad_request("no account at this host"));
    }
    match find_queue_slot(unit, arrival).await? {
        QueueSlot::Free => {
            unit.enqueue(&ExchangeCode { code_id: arrival.id }).await?;
        }
        // The job of the deleted code exchanges this one.
        QueueSlot::Displaced => count("displaced"),
        QueueSlot::Full => {
            count("full");
            return Err(Problem::new(
                ProblemCode::TooManyRequests,
                "too many codes of the widget are waiting",
            ));
        }
    }
    count("unvouched");
    Ok(())
}

/// Marks the code as vouched, if its state belongs to an account and the account's limit is not reached.
async fn vouch(unit: &mut UnitOfWork, arrival: &Arrival<'_>) -> StoreResult<bool> {
    let Some(account) = arrival.begun.as_ref().and_then(|begun| begun.account_id) else { return Ok(false) };
    oauth_codes::expect_account(unit, arrival.id, account).await?;
    if oauth_codes::count_vouched(unit, arrival.widget.id, account).await? >= MAX_VOUCHED_OF_ACCOUNT {
        return Ok(false);
    }
    oauth_codes::vouch(unit, arrival.id).await?;
    Ok(true)
}

enum QueueSlot {
    /// The queue has space.
    Free,
    /// Another code was deleted.
    Displaced,
    /// No waiting code may be deleted for this one.
    Full,
}

/// Makes space for the code. The limits are approximate: concurrent transactions do not count each other's codes.
async fn find_queue_slot(unit: &mut UnitOfWork, arrival: &Arrival<'_>) -> StoreResult<QueueSlot> {
    let widget = arrival.widget.id;
    let waiting = unvouched_codes::count_waiting(unit, widget, arrival.source).await?;
    let is_widget_full = waiting.of_widget > MAX_WAITING_OF_WIDGET;
    if !is_widget_full
        && waiting.from_source <= MAX_WAITING_FROM_SOURCE + arrival.credit.min(MAX_CREDIT_BONUS)
    {
        return Ok(QueueSlot::Free);
    }
    let own = Displaced::From(arrival.source);
    let in_order = if is_widget_full { [Displaced::WithoutCredit, own] } else { [own, own] };
    for which in in_order {
        if unvouched_codes::displace(unit, widget, which, arrival.id).await? {
            return Ok(QueueSlot::Displaced);
        }
    }
    Ok(if is_widget_full { QueueSlot::Full } else { QueueSlot::Free })
}

fn count(outcome: &'static str) {
    metrics::counter!("flysk_oauth_codes_total", "outcome" => outcome).increment(1);
}
