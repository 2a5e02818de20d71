//! Telling what happened to a subscription: events for the widget's backend, letters for the payer.

use chrono::NaiveDate;
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::events::{EventKind, SubscriptionChanged};
use flysk_domain::platform::subscriptions::{
    Subscription, SubscriptionSettings, SubscriptionState, moscow_day,
};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::SubscriptionRow;

use super::action_log::{Entry, SubscriptionAction};
use super::letters::tell_payer;
use crate::events::{NewEvent, emit, emit_of};
use crate::live_payments::find_chargeable_card;

/// The event of an action; `None` for actions that another event reports, or that do not concern backends.
const fn event_of(action: SubscriptionAction) -> Option<EventKind> {
    Some(match action {
        SubscriptionAction::TrialEnding => EventKind::SubscriptionTrialEnding,
        SubscriptionAction::TrialEnded => EventKind::SubscriptionTrialEnded,
        SubscriptionAction::Activated | SubscriptionAction::Reopened => EventKind::SubscriptionActivated,
        SubscriptionAction::RenewalUpcoming => EventKind::SubscriptionRenewalUpcoming,
        SubscriptionAction::PriceAnnounced => EventKind::SubscriptionPriceChanging,
        SubscriptionAction::Renewed => EventKind::SubscriptionRenewed,
        SubscriptionAction::PaymentFailed => EventKind::SubscriptionPaymentFailed,
        SubscriptionAction::Changed
        | SubscriptionAction::ChangePlanned
        | SubscriptionAction::ChangeWithdrawn
        | SubscriptionAction::PeriodBegan
        | SubscriptionAction::PrepaidWithdrawn
        | SubscriptionAction::PrepaidRestored
        | SubscriptionAction::Restored
        | SubscriptionAction::BonusGranted => EventKind::SubscriptionChanged,
        SubscriptionAction::CancelRequested | SubscriptionAction::Cancelled => {
            EventKind::SubscriptionCancelled
        }
        SubscriptionAction::Expired | SubscriptionAction::ReviewEnded => EventKind::SubscriptionExpired,
        SubscriptionAction::TrialStarted
        | SubscriptionAction::InvoiceCreated
        | SubscriptionAction::InvoiceVoided
        | SubscriptionAction::RenewalOpened
        | SubscriptionAction::RenewalWithdrawn
        | SubscriptionAction::ChangeUnavailable
        | SubscriptionAction::ChargePostponed
        | SubscriptionAction::CardNotChargeable
        | SubscriptionAction::PaymentReturned
        | SubscriptionAction::PaymentToBalance
        | SubscriptionAction::Lapsed
        | SubscriptionAction::RenewalForced
        | SubscriptionAction::Reinstated
        | SubscriptionAction::PaymentLockCleared
        | SubscriptionAction::ReceiptRegistered
        | SubscriptionAction::ReceiptSentAgain
        | SubscriptionAction::CardSaved
        | SubscriptionAction::CardUnlinked
        | SubscriptionAction::SeatFreed
        | SubscriptionAction::SeatsLost => return None,
    })
}

/// Days until what a reminder is about; `None` for other actions. After the boundary it is about the charge that waits for it.
fn days_before(action: SubscriptionAction, subscription: &Subscription, today: NaiveDate) -> Option<u32> {
    match (action, subscription.state) {
        (SubscriptionAction::RenewalUpcoming, SubscriptionState::Renewing) => {
            subscription.next_charge_on().and_then(|on| u32::try_from((on - today).num_days()).ok())
        }
        (SubscriptionAction::TrialEnding | SubscriptionAction::RenewalUpcoming, _) => {
            subscription.reminded_days
        }
        _ => None,
    }
}

/// Records the event for the widget's backend and the letter to the payer, in the transaction of the change. `row` is the
/// subscription after the change. While the widget sells no subscriptions, no event asks for a payment. If the entry knows what
/// decides about the widget's events, the widget is not read.
pub(super) async fn announce(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    before: SubscriptionState,
    row: &SubscriptionRow,
    entry: &Entry<'_>,
) -> StoreResult<()> {
    let Entry { action, invoice, events: rules, .. } = *entry;
    let (now, subscription) = (clock.now(), &row.subscription);
    let fell_due = before != SubscriptionState::PastDue && subscription.state == SubscriptionState::PastDue;
    let kinds = event_of(action).into_iter().chain(fell_due.then_some(EventKind::SubscriptionPastDue));
    let kinds = kinds.filter(|kind| !(settings.not_sold && kind.asks_for_payment()));
    let kinds = kinds.filter(|kind| rules.is_none_or(|rules| rules.receives(*kind)));
    let access = subscription.access(now, settings);
    let is_charged =
        action == SubscriptionAction::RenewalUpcoming && find_chargeable_card(unit, row).await?.is_some();
    let data = SubscriptionChanged {
        subscription_id: row.id,
        state: subscription.state.as_str(),
        access_level: access.level.as_str(),
        access_reason: access.reason.as_str(),
        access_until: access.until,
        plan_id: subscription.terms.map(|terms| terms.plan),
        seats: subscription.terms.map(|terms| terms.seats),
        months: subscription.terms.map(|terms| terms.length.months()),
        period_from: subscription.period.map(|period| period.from),
        period_until: subscription.period.map(|period| period.until),
        cancels: subscription.cancels,
        invoice_id: invoice,
        days_before: days_before(action, subscription, moscow_day(now)),
        charges_on: subscription.next_charge_on().filter(|_| is_charged),
    };
    let events: Vec<NewEvent> = kinds.map(|kind| NewEvent::new(kind, &data)).collect::<StoreResult<_>>()?;
    tell_payer(unit, clock, settings, row, (action, fell_due, invoice), is_charged).await?;
    // Last, because the number of an event locks the widget's row until the transaction ends: every subscription of the widget
    // waits for it.
    if events.is_empty() {
        return Ok(());
    }
    match rules {
        Some(rules) => emit_of(unit, clock, (rules, row.install_id), &events, now).await?,
        None => emit(unit, clock, row.install_id, &events, now).await?,
    };
    Ok(())
}
