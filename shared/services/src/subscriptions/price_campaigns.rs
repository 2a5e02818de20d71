//! Price campaigns: customers of a version of a plan are told of a later version's price, and get it with a later period.
//!
//! A campaign changes no subscription by itself. Each customer is told in a transaction of its own, which records the
//! notice; the renewal ([`super::next_terms`]) looks for a notice that is old enough. So a campaign whose notices were
//! delayed reaches its customers later, and one that is stopped reaches nobody any more.

use chrono::NaiveDate;
use flysk_domain::Clock;
use flysk_domain::id::{PriceCampaignId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{CampaignRefusal, PriceChange, check_campaign_day, moscow_day};
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{self, Plan, PriceCampaign, PriceNotice};
use flysk_store::platform::widgets;
use flysk_store::{Conn, StoreError, StoreResult};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction};
use super::details::settings_of;
use super::operators::OperatorAct;
use super::save::save;

/// A campaign to start.
#[derive(Debug, Clone, Copy)]
pub struct NewCampaign<'a> {
    /// The version that customers have.
    pub from: &'a Plan,
    /// The version that they get.
    pub to: &'a Plan,
    /// First day, Moscow.
    pub effective_on: NaiveDate,
}

/// A campaign cannot start or stop.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The rules do not allow it.
    #[error(transparent)]
    Refused(#[from] CampaignRefusal),
    /// Another campaign moves the customers of the version.
    #[error("a campaign for this version is running: stop it first")]
    AlreadyRunning,
    /// The campaign was stopped before.
    #[error("the campaign is not running")]
    NotRunning,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Effect of a campaign, if all customers stayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CampaignPreview {
    /// Customers who would get the new price.
    pub customers: u64,
    /// Customers who would stay, because the new version has no price for their length of the period.
    pub staying: u64,
    /// Present price of the moved customers by month, kopecks, rounded down per length of the period.
    pub monthly_before: Kopecks,
    /// New price of the moved customers by month, with the same seats.
    pub monthly_after: Kopecks,
}

/// Checks a campaign, and counts whom it would concern.
pub async fn preview_campaign(
    conn: &mut Conn,
    clock: &dyn Clock,
    new: NewCampaign<'_>,
) -> Result<CampaignPreview, CampaignError> {
    check(clock, new)?;
    let mut preview = CampaignPreview::default();
    for group in subscriptions::count_plan_customers(conn, new.from.id).await? {
        let customers = u64::try_from(group.customers).unwrap_or_default();
        let price = new.to.terms.prices.iter().find(|(length, _)| length.months() == group.months);
        let Some((_, price)) = price else {
            preview.staying += customers;
            continue;
        };
        preview.customers += customers;
        let monthly = |seat_kopecks: i64| {
            Kopecks(seat_kopecks.saturating_mul(group.seats) / i64::from(group.months.max(1)))
        };
        preview.monthly_before.0 = preview.monthly_before.0.saturating_add(monthly(group.seat_kopecks).0);
        preview.monthly_after.0 = preview.monthly_after.0.saturating_add(monthly(price.0).0);
    }
    Ok(preview)
}

fn check(clock: &dyn Clock, new: NewCampaign<'_>) -> Result<(), CampaignRefusal> {
    let (from, to) = (new.from, new.to);
    if from.widget_id != to.widget_id || from.code != to.code || to.version <= from.version {
        return Err(CampaignRefusal::Versions);
    }
    check_campaign_day(new.effective_on, moscow_day(clock.now()))
}

/// Starts a campaign. `billing.announce_prices` notifies its customers.
pub async fn start_campaign(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    new: NewCampaign<'_>,
    act: OperatorAct<'_>,
) -> Result<PriceCampaign, CampaignError> {
    check(clock, new)?;
    let campaign = PriceCampaign {
        id: PriceCampaignId::generate(clock),
        widget_id: new.from.widget_id,
        from_plan: new.from.id,
        to_plan: new.to.id,
        effective_on: new.effective_on,
        started_by: act.actor().to_string(),
        reason: act.reason.to_owned(),
        created_at: clock.now(),
        stopped_at: None,
    };
    match subscriptions::insert_campaign(unit, &campaign).await {
        Ok(()) => Ok(campaign),
        Err(StoreError::Duplicate { .. }) => Err(CampaignError::AlreadyRunning),
        Err(error) => Err(error.into()),
    }
}

/// Stops a campaign: customers who have not moved yet keep version and price. Invoices that are written stay.
pub async fn stop_campaign(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: PriceCampaignId,
    act: OperatorAct<'_>,
) -> Result<(), CampaignError> {
    let stopped = subscriptions::stop_campaign(unit, id, &act.actor().to_string(), clock.now()).await?;
    if stopped { Ok(()) } else { Err(CampaignError::NotRunning) }
}

/// Notifies one customer of a campaign, and records the notice. `false` if no notice is due: the customer has got one, has left
/// the version, or stays because the new version has no price for its terms. Harmless when repeated: the notice is unique.
pub async fn announce_price(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    campaign: &PriceCampaign,
    id: SubscriptionId,
) -> StoreResult<bool> {
    let row = subscriptions::lock_subscription(unit, id).await?;
    let running = subscriptions::find_campaign(unit, campaign.id).await?;
    let is_running = running.is_some_and(|running| running.stopped_at.is_none());
    let Some(terms) = row.subscription.terms.filter(|terms| terms.plan == campaign.from_plan && is_running)
    else {
        return Ok(false);
    };
    let version = subscriptions::find_plan(unit, campaign.to_plan).await?;
    let moved = version.and_then(|plan| terms.under(plan.id, &plan.terms));
    let now = clock.now();
    let change = PriceChange { effective_on: campaign.effective_on, noticed_on: moscow_day(now) };
    let (Some(moved), Some(applies_on)) = (moved, change.first_boundary(&row.subscription)) else {
        return Ok(false);
    };
    let notice = PriceNotice {
        campaign_id: campaign.id,
        subscription_id: row.id,
        old_price: terms.seat_price,
        new_price: moved.seat_price,
        seats: moved.seats,
        applies_on,
        noticed_at: now,
    };
    if !subscriptions::insert_price_notice(unit, &notice).await? {
        return Ok(false);
    }
    let widget =
        widgets::find(unit, row.widget_id).await?.ok_or(StoreError::WrongState { what: "widget" })?;
    let entry = Entry::new(Actor::System, SubscriptionAction::PriceAnnounced).with(json!({
        "campaign_id": campaign.id,
        "applies_on": applies_on,
        "seat_price_kopecks": terms.seat_price,
        "next_seat_price_kopecks": moved.seat_price,
    }));
    save(unit, clock, &settings_of(&widget), &row, &row.subscription, entry).await?;
    Ok(true)
}
