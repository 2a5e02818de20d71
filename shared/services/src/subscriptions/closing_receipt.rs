//! Closing receipts (54-FZ) that a person has to decide about: acts of operators.

use chrono::TimeDelta;
use flysk_domain::id::InvoiceId;
use flysk_domain::{Clock, TextEnum as _};
use flysk_jobs::platform::subscriptions::SendClosingReceipt;
use flysk_queue::UnitOfWork;
use flysk_store::platform::invoice_payments::{self as attempts, ClosingReceipt, ReceiptState};
use serde_json::json;

use super::operators::{OperatorAct, OperatorError};
use super::save::{Entry, SubscriptionAction, note};
use super::settle::lock;

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
