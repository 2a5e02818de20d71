//! Closing receipts (54-FZ): what they are over, and those that a person has to decide about.

use chrono::TimeDelta;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::ReceiptBasis;
use flysk_domain::{Clock, TextEnum as _};
use flysk_jobs::platform::subscriptions::SendClosingReceipt;
use flysk_queue::UnitOfWork;
use flysk_store::platform::invoice_payments::{
    self as attempts, Attempt, ClosingReceipt, ReceiptState, RefundState,
};
use flysk_store::{Conn, StoreResult};
use serde_json::json;

use super::action_log::{Entry, SubscriptionAction, note};
use super::operators::{OperatorAct, OperatorError};
use super::settle::{lock, lock_both};

/// A closing receipt whose job is lost gets another one after this time; longer than a job takes.
pub const LOST_RECEIPT_JOB_DELAY: TimeDelta = TimeDelta::minutes(5);

/// What an operator found in the portal of the cash register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptDecision {
    /// The receipt is registered: by the request whose answer was lost, or by hand.
    Registered,
    /// No receipt is registered: it is sent again.
    SendAgain,
}

/// What is left of a prepaid payment, which its closing receipt is over. `None` while a refund has not ended: its outcome decides, and no
/// later receipt would be over what the bank did not return.
pub async fn left_to_close(conn: &mut Conn, paid: &Attempt) -> StoreResult<Option<Kopecks>> {
    let mut left = paid.amount;
    for refund in attempts::list_refunds(conn, paid.id).await? {
        if !refund.state.has_ended() {
            return Ok(None);
        }
        if refund.state != RefundState::Refused {
            left = Kopecks(left.0.saturating_sub(refund.amount.0));
        }
    }
    Ok(Some(left))
}

/// Stores what a waiting receipt over `left` says, and that it is about to be sent. From then on a refund in part waits until the bank has
/// answered. `false` if a refund was requested or the receipt was taken since `left` was read. Locks as [`decide_receipt`] does. `paid` is
/// the attempt of the receipt.
pub async fn begin_closing_receipt(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    (receipt, paid): (&ClosingReceipt, &Attempt),
    basis: &ReceiptBasis,
    left: Kopecks,
) -> StoreResult<bool> {
    lock_both(unit, paid.subscription_id, receipt.invoice_id).await?;
    let paid = attempts::lock_attempt(unit, receipt.payment_row_id).await?;
    let current = attempts::find_receipt(unit, receipt.id).await?;
    let waits = current.is_some_and(|current| current.state == ReceiptState::Waiting);
    if !waits || left_to_close(unit, &paid).await? != Some(left) {
        return Ok(false);
    }
    let now = clock.now();
    attempts::begin_sending(unit, receipt.id, basis, now + LOST_RECEIPT_JOB_DELAY, now).await?;
    Ok(true)
}

/// Whether an operator may decide about a closing receipt: its answer was lost, or it waits (`is_over`: although its period has ended).
pub const fn receipt_needs_decision(state: ReceiptState, is_over: bool) -> bool {
    match state {
        ReceiptState::Unclear => true,
        ReceiptState::Waiting => is_over,
        ReceiptState::Sending | ReceiptState::Sent | ReceiptState::Cancelled => false,
    }
}

/// Ends the doubt about the closing receipt of an invoice, or repeats what the bank has refused. A refund from now on undoes the
/// settlement if the receipt counts as registered, otherwise the prepayment. Returns the receipt as it was before.
///
/// # Errors
///
/// The invoice has no closing receipt, or nothing is to be decided about it: the period runs, the receipt is being sent, is registered,
/// or is not needed. The caller's transaction has to be rolled back.
pub async fn decide_receipt(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: InvoiceId,
    decision: ReceiptDecision,
    act: OperatorAct<'_>,
) -> Result<ClosingReceipt, OperatorError> {
    let locked = lock(unit, invoice).await?;
    let paid = attempts::lock_paying_attempt(unit, invoice).await?.ok_or(OperatorError::NoReceipt)?;
    let receipt = attempts::find_receipt_of_payment(unit, paid.id).await?.ok_or(OperatorError::NoReceipt)?;
    let now = clock.now();
    if !receipt_needs_decision(receipt.state, locked.invoice.period.ends_at() <= now) {
        return Err(OperatorError::ReceiptDecided(receipt.state));
    }
    let action = match decision {
        ReceiptDecision::Registered => {
            let (from, to) = (receipt.state, ReceiptState::Sent);
            attempts::mark_receipt(unit, receipt.id, from, to, None, now).await?;
            SubscriptionAction::ReceiptRegistered
        }
        ReceiptDecision::SendAgain => {
            attempts::make_receipt_due(unit, receipt.id, receipt.state, now + LOST_RECEIPT_JOB_DELAY, now)
                .await?;
            unit.enqueue(&SendClosingReceipt { receipt_id: receipt.id }).await?;
            SubscriptionAction::ReceiptSentAgain
        }
    };
    let entry = Entry::new(act.actor(), action)
        .about(invoice)
        .because(act.reason)
        .with(json!({ "receipt_id": receipt.id, "state": receipt.state.as_str() }));
    note(unit, clock, &locked.row, entry).await?;
    Ok(receipt)
}
