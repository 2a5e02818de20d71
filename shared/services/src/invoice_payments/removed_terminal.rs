//! Payments at a terminal that its vendor has removed.

use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoicePaymentId;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::Discrepancy;
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::invoice_payments as store;

use super::resolve_review::REVIEW_CLOSED;
use crate::subscriptions::lock_both;

/// Puts an attempt into review whose terminal nobody has any more, because somebody claims that it was paid: the claim cannot
/// be verified, and the bank cannot be asked. No other attempt of the invoice begins until a person has ended the review,
/// unless one is under way.
///
/// Returns `false` if there is nothing to review: no such attempt at this terminal, a paid one, or one that a person has
/// reviewed already. Harmless when repeated. Locks the subscription, the invoice and the attempt; the caller commits.
///
/// # Errors
///
/// The database failed.
pub async fn report_removed_terminal(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoicePaymentId,
    terminal_key: &str,
) -> Result<bool, StoreError> {
    let found = store::find_attempt(unit, id).await?.filter(|found| found.terminal_key == terminal_key);
    let Some(found) = found else { return Ok(false) };
    lock_both(unit, found.subscription_id, found.invoice_id).await?;
    let attempt = store::lock_attempt(unit, id).await?;
    let was_reviewed = attempt.discrepancy.is_some() || attempt.error_code.as_deref() == Some(REVIEW_CLOSED);
    if was_reviewed || attempt.state == AttemptState::Paid {
        return Ok(false);
    }
    let (now, discrepancy) = (clock.now(), Discrepancy::RemovedTerminal);
    let open = store::find_open_attempt(unit, attempt.invoice_id).await?;
    if open.is_some_and(|open| open.id != id) {
        store::set_review(unit, id, discrepancy, None, now).await?;
    } else {
        store::reopen_for_review(unit, id, discrepancy, now).await?;
    }
    metrics::counter!("flysk_invoice_payments_discrepancies_total", "discrepancy" => discrepancy.as_str())
        .increment(1);
    tracing::error!(
        attempt.id = %id, invoice.id = %attempt.invoice_id, terminal = terminal_key,
        "a payment at a removed terminal is said to be paid: an operator must review it"
    );
    Ok(true)
}
