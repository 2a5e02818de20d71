//! Withdrawing attempts: an invoice is void, a card was unlinked, or a payer corrected the address of the receipt.

use flysk_domain::Clock;
use flysk_domain::id::{CardId, InvoiceId, InvoicePaymentId};
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use flysk_jobs::platform::subscriptions::QueryInvoicePayment;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::invoice_payments::{self as store, Attempt};

/// Withdraws the attempt of an invoice that may still take money. What is not sent to the bank yet stops in this
/// transaction; a job cancels an open form. The caller holds the subscription's lock.
pub async fn withdraw(unit: &mut UnitOfWork, invoice_id: InvoiceId) -> StoreResult<()> {
    if let Some(open) = store::find_open_attempt(unit, invoice_id).await? {
        withdraw_attempt(unit, &open).await?;
    }
    Ok(())
}

/// Withdraws the form of an invoice that a payer may still use, and returns its attempt; `None` if there is none. The caller
/// holds the subscription's lock.
pub(crate) async fn withdraw_form(
    unit: &mut UnitOfWork,
    invoice_id: InvoiceId,
) -> StoreResult<Option<InvoicePaymentId>> {
    let open = store::find_open_attempt(unit, invoice_id).await?;
    let Some(form) = open.filter(is_payable_form) else { return Ok(None) };
    withdraw_attempt(unit, &form).await?;
    Ok(Some(form.id))
}

/// Whether a payer may still use the attempt's form. A form that is withdrawn is being cancelled.
pub(crate) fn is_payable_form(attempt: &Attempt) -> bool {
    attempt.kind == AttemptKind::Form
        && matches!(attempt.state, AttemptState::Opening | AttemptState::Open)
        && !attempt.is_withdrawn
}

/// Withdraws an attempt, and has a job cancel it at the bank.
pub(crate) async fn withdraw_attempt(unit: &mut UnitOfWork, attempt: &Attempt) -> StoreResult<()> {
    let now = unit.now();
    store::mark_withdrawn(unit, attempt.id, now).await?;
    unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
    Ok(())
}

/// Unlinks a card for ever: every charge of it that is not sent to the bank yet stops in this transaction (376-FZ, in
/// force since 1 March 2026). `false` if it was unlinked before.
///
/// A charge that was sent before is not affected, and its result counts.
pub async fn unlink_card(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    card_id: CardId,
    actor: &str,
    channel: &str,
) -> StoreResult<bool> {
    let card = store::lock_card(unit, card_id).await?;
    if card.is_none_or(|card| card.unlinked_at.is_some()) {
        return Ok(false);
    }
    store::unlink_card(unit, card_id, actor, channel, clock.now()).await?;
    for attempt in store::list_attempts_of_card(unit, card_id).await? {
        withdraw_attempt(unit, &attempt).await?;
    }
    Ok(true)
}
