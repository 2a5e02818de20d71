//! Periods whose payment is refunded whole. One that has not begun is taken back with the request of the refund; one that runs is
//! ended by an operator.

use flysk_domain::Clock;
use flysk_domain::platform::subscriptions::{
    ChangeRefusal, EndReason, InvoiceKind, Subscription, SubscriptionSettings, SubscriptionState, moscow_day,
};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::invoice_payments as attempts;
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction};
use super::invoices::void_open_invoice;
use super::operators::{OperatorAct, OperatorError};
use super::save::save;
use super::settle::Locked;

/// Whether all money of an invoice is refunded or being refunded.
pub fn is_refunded_whole(invoice: &Invoice) -> bool {
    invoice.refunded.is_positive() && invoice.refunded >= invoice.total
}

/// Takes back the next period, which was paid ahead, because the refund of its invoice is about to return all of its payment. The
/// invoice gives its period free, so that another one can pay it. Nothing is taken back from an invoice of a period that has begun.
pub(crate) async fn withdraw_prepaid(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    (requested_by, reason): (&str, &str),
) -> StoreResult<()> {
    let Locked { row, invoice, settings, .. } = locked;
    let is_ahead = invoice.kind == InvoiceKind::Renewal
        && row.subscription.prepaid.is_some()
        && invoice.period_no == row.subscription.period_no.saturating_add(1);
    // An invoice that has given its period free before does not pay the period that is prepaid now.
    if !is_ahead || !subscriptions::free_period(unit, invoice.id, clock.now()).await? {
        return Ok(());
    }
    let new = Subscription { prepaid: None, ..row.subscription.clone() };
    let entry = Entry::new(Actor::System, SubscriptionAction::PrepaidWithdrawn)
        .about(invoice.id)
        .because(reason)
        .with(json!({ "requested_by": requested_by }));
    save(unit, clock, settings, row, &new, entry).await.map(drop)
}

/// Gives the next period back, because the bank refused to return its money. `locked` is read before the refused amount counts as paid
/// again. If the period cannot begin any more, operators are alerted: they refund it again or grant days.
pub(crate) async fn restore_prepaid(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
) -> StoreResult<()> {
    let Locked { row, invoice, settings, .. } = locked;
    if invoice.kind != InvoiceKind::Renewal || !is_refunded_whole(invoice) {
        return Ok(());
    }
    let holder = subscriptions::find_invoice_of_period(unit, row.id, invoice.period_no).await?;
    if holder.as_ref().is_some_and(|holder| holder.id == invoice.id) {
        return Ok(());
    }
    let follows = invoice.period_no == row.subscription.period_no.saturating_add(1);
    let restored = row.subscription.renewed(invoice.terms, invoice.period, moscow_day(clock.now()));
    let is_free = holder.as_ref().is_none_or(|holder| holder.paid_at.is_none());
    let (Ok(new), true, true) = (restored, follows, is_free) else {
        tracing::error!(
            subscription.id = %row.id, invoice.id = %invoice.id,
            "the bank kept the money of a period that was taken back: refund it again or grant the days"
        );
        return Ok(());
    };
    if holder.is_some() {
        void_open_invoice(unit, clock, row, Actor::System, "superseded").await?;
    }
    subscriptions::retake_period(unit, invoice.id, clock.now()).await?;
    let entry = Entry::new(Actor::System, SubscriptionAction::PrepaidRestored).about(invoice.id);
    save(unit, clock, settings, row, &new, entry).await.map(drop)
}

/// Ends a subscription at once whose current period was refunded whole. Its open invoice and its pending changes are withdrawn. Bonus
/// days afterwards give as much access as an operator wants to grant.
///
/// # Errors
///
/// No period runs, its payment was not refunded whole, the bank has not returned it yet, or the next period is paid.
pub async fn end_refunded(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    act: OperatorAct<'_>,
) -> Result<SubscriptionRow, OperatorError> {
    let subscription = &row.subscription;
    if subscription.state != SubscriptionState::Active {
        return Err(ChangeRefusal::WrongState(subscription.state).into());
    }
    if subscription.prepaid.is_some() {
        return Err(OperatorError::NextPeriodPaid);
    }
    let paid = subscriptions::find_invoice_of_period(unit, row.id, subscription.period_no).await?;
    let paid = paid.filter(is_refunded_whole).ok_or(OperatorError::NotRefunded)?;
    // A refund that the bank refuses in the end would leave the money taken and the access gone.
    let refunds = attempts::list_refunds_of_invoice(unit, paid.id).await?;
    if !refunds.iter().all(|refund| refund.state.has_ended()) {
        return Err(OperatorError::NotRefunded);
    }
    void_open_invoice(unit, clock, row, act.actor(), "operator").await?;
    subscriptions::clear_pending(unit, row.id).await?;
    let entry = Entry::new(act.actor(), SubscriptionAction::Cancelled).about(paid.id).because(act.reason);
    Ok(save(unit, clock, settings, row, &subscription.ended(EndReason::Cancelled), entry).await?)
}
