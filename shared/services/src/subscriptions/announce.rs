//! Telling what happened to a subscription: events for the widget's backend, letters for the payer.

use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::events::{EventKind, SubscriptionChanged};
use flysk_domain::platform::subscriptions::{SubscriptionSettings, SubscriptionState};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::SubscriptionRow;

use super::letters::tell_payer;
use super::save::SubscriptionAction;
use crate::events::{NewEvent, emit};

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
        | SubscriptionAction::ChangeUnavailable
        | SubscriptionAction::ChargePostponed
        | SubscriptionAction::CardNotChargeable
        | SubscriptionAction::PaymentReturned
        | SubscriptionAction::PaymentToBalance
        | SubscriptionAction::Lapsed
        | SubscriptionAction::RenewalForced
        | SubscriptionAction::Reinstated
        | SubscriptionAction::PaymentLockCleared
        | SubscriptionAction::CardSaved
        | SubscriptionAction::CardUnlinked
        | SubscriptionAction::SeatFreed
        | SubscriptionAction::SeatsLost => return None,
    })
}

/// Records the event for the widget's backend and the letter to the payer, in the transaction of the change. `row` is the
/// subscription after the change.
pub(super) async fn announce(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    before: SubscriptionState,
    row: &SubscriptionRow,
    (action, invoice): (SubscriptionAction, Option<InvoiceId>),
) -> StoreResult<()> {
    let (now, subscription) = (clock.now(), &row.subscription);
    let fell_due = before != SubscriptionState::PastDue && subscription.state == SubscriptionState::PastDue;
    let kinds = event_of(action).into_iter().chain(fell_due.then_some(EventKind::SubscriptionPastDue));
    let access = subscription.access(now, settings);
    let reminds = matches!(action, SubscriptionAction::TrialEnding | SubscriptionAction::RenewalUpcoming);
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
        days_before: subscription.reminded_days.filter(|_| reminds),
    };
    let events: Vec<NewEvent> = kinds.map(|kind| NewEvent::new(kind, &data)).collect::<StoreResult<_>>()?;
    if !events.is_empty() {
        emit(unit, clock, row.install_id, &events, now).await?;
    }
    tell_payer(unit, clock, settings, row, (action, fell_due, invoice)).await
}
