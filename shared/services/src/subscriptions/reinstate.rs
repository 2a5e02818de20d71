//! Reinstating a subscription that has ended: an operator's act.

use flysk_domain::Clock;
use flysk_domain::platform::subscriptions::{SubscriptionSettings, moscow_day};
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{Invoice, SubscriptionRow};

use super::action_log::{Entry, SubscriptionAction};
use super::context::Context;
use super::invoices::void_open_invoice;
use super::operators::{OperatorAct, OperatorError};
use super::save::save;

/// Reinstates an ended subscription: the invoice of the period that follows its last one is open, and waits for its
/// payment. Nothing is charged by this; a card that is still linked is charged by [`super::force_renewal`].
///
/// # Errors
///
/// The subscription has not ended, its last period was refunded and is not over, or the period that would follow is over.
pub async fn reinstate(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    act: OperatorAct<'_>,
) -> Result<Invoice, OperatorError> {
    let new = row.subscription.reinstated(moscow_day(clock.now()), settings)?;
    // A new start that is being paid would be a second subscription.
    void_open_invoice(unit, clock, row, act.actor(), "reinstated").await?;
    let invoice = Context { clock, settings, row, events: None }.write_renewal(unit, None).await?;
    let entry = Entry::new(act.actor(), SubscriptionAction::Reinstated).about(invoice.id).because(act.reason);
    save(unit, clock, settings, row, &new, entry).await?;
    Ok(invoice)
}
