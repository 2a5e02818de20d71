//! Quotes: prices of changes, stored and valid until the end of the day in Moscow.

use std::borrow::Cow;

use chrono::{NaiveDate, TimeDelta};
use flysk_domain::Clock;
use flysk_domain::id::QuoteId;
use flysk_domain::platform::subscriptions::{
    Change, PlanVersion, Quote, QuoteError, day_start, moscow_day, quote,
};
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{self, NewQuote, StoredQuote, SubscriptionRow};
use flysk_store::{Conn, StoreError};

use super::action_log::Actor;
use super::next_terms::renewal_base;
use super::offers::{on_offer, pending_plan};

/// Number of quotes of a subscription that can be applied at the same time; further ones replace the oldest.
const MAX_UNAPPLIED_QUOTES: u32 = 200;

/// Why a change has no price.
#[derive(Debug, thiserror::Error)]
pub enum QuoteRefusal {
    /// The rules do not allow it.
    #[error(transparent)]
    Rule(#[from] QuoteError),
    /// The plan does not exist, belongs to another widget, or is not on offer.
    #[error("the plan is not on offer: read the list of plans again")]
    PlanNotAvailable,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Prices a change for a subscription and stores the quote.
///
/// The caller need not have locked the subscription, only have read it in the same unit: the quote keeps the version that was
/// read, and applying it compares version and lines under the lock. So previews of one account do not wait for each other.
pub async fn create_quote(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    change: Change,
    actor: Actor<'_>,
) -> Result<(StoredQuote, Quote), QuoteRefusal> {
    let now = clock.now();
    let today = moscow_day(now);
    let priced = price(unit, row, change, today).await?;
    let id = QuoteId::generate(clock);
    let new = NewQuote {
        id,
        subscription_id: row.id,
        base_version: row.version,
        change,
        lines: &priced.lines,
        total: priced.total,
        expires_at: day_start(today) + TimeDelta::days(1),
        requested_by: &actor.to_string(),
        now,
    };
    subscriptions::insert_quote(unit, &new).await?;
    subscriptions::trim_quotes(unit, row.id, MAX_UNAPPLIED_QUOTES).await?;
    let stored = subscriptions::find_quote(unit, row.id, id).await?;
    Ok((stored.ok_or(StoreError::WrongState { what: "quote" })?, priced))
}

/// Prices a change on a day.
pub(super) async fn price(
    conn: &mut Conn,
    row: &SubscriptionRow,
    change: Change,
    today: NaiveDate,
) -> Result<Quote, QuoteRefusal> {
    let pending = subscriptions::list_pending(conn, row.id).await?;
    // What begins with the next period starts from its terms, which a price campaign may have changed.
    let base = match change {
        Change::Renew | Change::Length(_) => renewal_base(conn, row).await?,
        Change::Start { .. } | Change::Plan(_) | Change::Seats(_) => None,
    };
    let mut subscription = Cow::Borrowed(&row.subscription);
    let own = match (base, row.subscription.terms) {
        (Some(base), _) => {
            subscription.to_mut().terms = Some(base.terms);
            Some(base.plan)
        }
        (None, Some(terms)) => subscriptions::find_plan(conn, terms.plan).await?,
        (None, None) => None,
    };
    let wanted = match change {
        Change::Start { plan, .. } => {
            Some(on_offer(conn, row, plan).await?.ok_or(QuoteRefusal::PlanNotAvailable)?)
        }
        // Asking for the present plan withdraws a change of it, even if the plan is not on offer any more.
        Change::Plan(plan) if row.subscription.terms.is_some_and(|terms| terms.plan == plan) => own.clone(),
        Change::Plan(plan) => Some(on_offer(conn, row, plan).await?.ok_or(QuoteRefusal::PlanNotAvailable)?),
        Change::Renew => pending_plan(conn, row, &pending).await?,
        Change::Seats(_) | Change::Length(_) => None,
    };
    let own: Option<PlanVersion<'_>> = own.as_ref().map(|plan| (plan.id, &plan.terms));
    let wanted: Option<PlanVersion<'_>> = wanted.as_ref().map(|plan| (plan.id, &plan.terms));
    Ok(quote(&subscription, change, own, wanted, &pending, today)?)
}
