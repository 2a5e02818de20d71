//! When the card of a subscription is charged for a renewal, and whether its payer knows.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::platform::subscriptions::{ChargePlan, Period, next_charge};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::{self, Invoice};

use super::action_log::SubscriptionAction;
use super::context::Context;
use super::settle::spread_of;
use crate::live_payments::find_offer_for;

/// A charge as the schedule plans it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedCharge {
    /// When the card is charged; `None` if it is not.
    pub(super) at: Option<DateTime<Utc>>,
    /// Whether nobody has to be reminded of it any more.
    pub(super) is_reminded: bool,
}

impl PlannedCharge {
    /// Nothing is charged.
    const NONE: Self = Self { at: None, is_reminded: true };
}

/// A renewal whose charge is planned.
struct Renewal<'a> {
    /// First day of its period.
    from: NaiveDate,
    /// Number of automatic charges so far.
    made: u32,
    /// The last failure of a payment.
    failure: Option<ErrorClass>,
    /// Its invoice; `None` if that is to be written, by the vendor of the widget.
    invoice: Option<&'a Invoice>,
}

impl<'a> From<&'a Invoice> for Renewal<'a> {
    fn from(invoice: &'a Invoice) -> Self {
        Self {
            from: invoice.period.from,
            made: invoice.charges_made,
            failure: invoice.failure.as_ref().map(|failure| failure.class),
            invoice: Some(invoice),
        }
    }
}

impl Context<'_> {
    /// Moves the charge that an open renewal waits for to an earlier time, if its schedule and its reminder allow one; returns it.
    pub(super) async fn hasten_charge(&self, unit: &mut UnitOfWork) -> StoreResult<Option<DateTime<Utc>>> {
        let (subscription, now) = (&self.row.subscription, self.clock.now());
        if !subscription.state.awaits_renewal() || subscription.is_too_late_to_charge(now, self.settings) {
            return Ok(None);
        }
        let open = subscriptions::find_open_invoice(unit, self.row.id).await?;
        let waiting = open.and_then(|invoice| invoice.charge_at.map(|at| (invoice, at)));
        let Some((invoice, waits_until)) = waiting else { return Ok(None) };
        let planned = self.plan_charge(unit, (&invoice).into()).await?;
        let sooner = planned.at.filter(|at| planned.is_reminded && *at < waits_until);
        if sooner.is_some() {
            subscriptions::set_charge_at(unit, invoice.id, sooner, now).await?;
        }
        Ok(sooner)
    }

    /// The charge of a renewal that is opened now. One that is already planned, such as that of a new card, stays: the payer or an
    /// operator has just asked for it.
    pub(super) async fn first_charge(
        &self,
        unit: &mut UnitOfWork,
        invoice: &Invoice,
    ) -> StoreResult<PlannedCharge> {
        if self.row.card_id.is_none() {
            return Ok(PlannedCharge::NONE);
        }
        if invoice.charge_at.is_some() {
            return Ok(PlannedCharge { at: invoice.charge_at, is_reminded: true });
        }
        self.plan_charge(unit, invoice.into()).await
    }

    /// [`Context::first_charge`] of a renewal whose invoice is to be written.
    pub(super) async fn first_charge_of(
        &self,
        unit: &mut UnitOfWork,
        period: Period,
    ) -> StoreResult<PlannedCharge> {
        if self.row.card_id.is_none() {
            return Ok(PlannedCharge::NONE);
        }
        let renewal = Renewal { from: period.from, made: 0, failure: None, invoice: None };
        self.plan_charge(unit, renewal).await
    }

    /// The next charge of a renewal by the schedule.
    async fn plan_charge(&self, unit: &mut UnitOfWork, renewal: Renewal<'_>) -> StoreResult<PlannedCharge> {
        let (row, now) = (self.row, self.clock.now());
        let Renewal { from, made, failure, invoice } = renewal;
        let (mut plan, mut is_reminded) =
            (next_charge(self.settings, from, made, failure, spread_of(row), now), true);
        // Who was told of a refusal knows of the charge. A card that cannot be charged is left to the charge, which notifies.
        let is_told = failure.is_some_and(|class| class != ErrorClass::Config);
        let offer = if is_told { None } else { find_offer_for(unit, row, invoice).await? };
        if let Some(offer) = offer {
            let kind: &'static str = SubscriptionAction::RenewalUpcoming.into();
            // A reminder from before the card was saved was about another card, or about none; one from before the widget was
            // installed again said that nothing is charged.
            let linked_at = offer.card.linked_at;
            let since = offer.granted_again_at.map_or(linked_at, |again| again.max(linked_at));
            let reminded_at = subscriptions::find_first_notice(unit, row.id, kind, from, since).await?;
            is_reminded = reminded_at.is_some();
            plan = plan.announced(from, spread_of(row), reminded_at.unwrap_or(now));
        }
        Ok(match plan {
            ChargePlan::At(at) => PlannedCharge { at: Some(at), is_reminded },
            ChargePlan::Stop | ChargePlan::AskBank => PlannedCharge::NONE,
        })
    }
}
