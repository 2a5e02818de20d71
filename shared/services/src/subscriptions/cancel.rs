//! Cancelling, restoring, and withdrawing what was asked for.

use flysk_domain::Clock;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::{
    CancelOutcome, ChangeRefusal, InvoiceKind, PendingKind, SubscriptionSettings, SubscriptionState,
    moscow_day,
};
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction};
use super::invoices::{void, void_open_invoice};
use super::save::save;

/// Why nothing is cancelled or restored.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The subscription's state does not allow it.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
    /// There is nothing of this kind to withdraw.
    #[error("there is nothing to withdraw")]
    NothingToWithdraw,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Cancels a subscription that the caller has locked: at the end of its period, or at once while the next one is unpaid.
/// Pending changes and the open invoice are withdrawn.
pub async fn cancel(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    actor: Actor<'_>,
    reason: Option<&str>,
) -> Result<(SubscriptionRow, CancelOutcome), CancelError> {
    let (new, outcome) = row.subscription.cancelled(moscow_day(clock.now()))?;
    let action = match outcome {
        CancelOutcome::AtPeriodEnd(_) => SubscriptionAction::CancelRequested,
        CancelOutcome::Now => SubscriptionAction::Cancelled,
    };
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    // A change of the running period may still be paid; a renewal must not be charged any more.
    if open.is_some_and(|open| open.kind == InvoiceKind::Renewal) {
        void_open_invoice(unit, clock, row, actor, "cancelled").await?;
    }
    subscriptions::clear_pending(unit, row.id).await?;
    let entry = Entry { reason, ..Entry::new(actor, action) };
    Ok((save(unit, clock, settings, row, &new, entry).await?, outcome))
}

/// Revokes a cancellation before it takes effect.
pub async fn restore(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    actor: Actor<'_>,
) -> Result<SubscriptionRow, CancelError> {
    let new = row.subscription.restored()?;
    Ok(save(unit, clock, settings, row, &new, Entry::new(actor, SubscriptionAction::Restored)).await?)
}

/// Withdraws the change of a kind that waits for the next period, with the invoice of a renewal that was written ahead with
/// it.
pub async fn withdraw_pending(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    kind: PendingKind,
    actor: Actor<'_>,
) -> Result<SubscriptionRow, CancelError> {
    if !subscriptions::delete_pending(unit, row.id, kind).await? {
        return Err(CancelError::NothingToWithdraw);
    }
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    let is_ahead = row.subscription.state == SubscriptionState::Active
        && open.is_some_and(|open| open.kind == InvoiceKind::Renewal);
    if is_ahead {
        void_open_invoice(unit, clock, row, actor, "superseded").await?;
    }
    let kind: &'static str = kind.into();
    let entry = Entry::new(actor, SubscriptionAction::ChangeWithdrawn).with(json!({ "kind": kind }));
    Ok(save(unit, clock, settings, row, &row.subscription, entry).await?)
}

/// Withdraws the open invoice of a start or a change. The invoice of a renewal is withdrawn by cancelling only.
pub async fn discard_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    invoice: InvoiceId,
    actor: Actor<'_>,
) -> Result<SubscriptionRow, CancelError> {
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    let is_discardable = open.as_ref().is_some_and(|open| {
        open.id == invoice && (open.kind != InvoiceKind::Renewal || !row.subscription.state.awaits_renewal())
    });
    if !is_discardable {
        return Err(CancelError::NothingToWithdraw);
    }
    void(unit, clock, invoice, "discarded").await?;
    let entry = Entry::new(actor, SubscriptionAction::InvoiceVoided).about(invoice).because("discarded");
    Ok(save(unit, clock, settings, row, &row.subscription, entry).await?)
}
