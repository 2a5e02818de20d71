//! Clearing the lock that an undecided attempt holds on an invoice: an operator's act.

use flysk_domain::id::{InvoiceId, InvoicePaymentId};
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState, may_be_cleared};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_domain::{Clock, TextEnum as _};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::invoice_payments::{self as attempts, Attempt};
use serde_json::json;

use super::action_log::{Entry, SubscriptionAction, note};
use super::operators::{OperatorAct, OperatorError};
use super::settle::{FailedCharge, Locked, lock, record_failed_locked};

/// Code of an attempt that an operator ended.
const CLEARED: &str = "cleared";

/// Ends the attempt that keeps an invoice from being paid by another one: one that contradicts the bank, or that the bank
/// has not decided in its time. The operator has seen in the merchant portal that it holds no money.
///
/// A charge counts as failed by a fault of ours: the schedule goes on, on the next day at the earliest. Before that charge the
/// bank is asked about the attempt, and money that arrives nevertheless is taken or returned like any other that comes late.
///
/// # Errors
///
/// No attempt is open, or the bank may still decide about it.
pub async fn clear_payment_lock(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: InvoiceId,
    act: OperatorAct<'_>,
) -> Result<InvoicePaymentId, OperatorError> {
    let locked = lock(unit, invoice).await?;
    let open = attempts::find_open_attempt(unit, invoice).await?.ok_or(OperatorError::NotLocked)?;
    let attempt = attempts::lock_attempt(unit, open.id).await?;
    let now = clock.now();
    if !may_be_cleared(attempt.state, attempt.age(now)) {
        return Err(OperatorError::StillDeciding);
    }
    attempts::end_attempt(unit, attempt.id, AttemptState::Failed, Some(CLEARED), now).await?;
    record_ended_attempt(unit, clock, &locked, &attempt, CLEARED).await?;
    let entry = Entry::new(act.actor(), SubscriptionAction::PaymentLockCleared)
        .about(invoice)
        .because(act.reason)
        .with(json!({
            "attempt_id": attempt.id, "state": attempt.state.as_str(), "payment_id": attempt.payment_id,
        }));
    note(unit, clock, &locked.row, entry).await?;
    Ok(attempt.id)
}

/// Records that an operator ended an attempt of an invoice that the caller has locked. A charge has failed, and not by the
/// payer's fault: the next one is planned without spending a step of the schedule. A form or a withdrawn attempt plans nothing.
pub(crate) async fn record_ended_attempt(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    attempt: &Attempt,
    code: &str,
) -> StoreResult<()> {
    if attempt.kind == AttemptKind::Form || attempt.is_withdrawn {
        return Ok(());
    }
    let failed = FailedCharge { class: ErrorClass::Config, code, automatic: attempt.is_automatic };
    record_failed_locked(unit, clock, locked, failed).await.map(drop)
}
