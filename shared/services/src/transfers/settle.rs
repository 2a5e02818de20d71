//! Effects of an invoice whose sum has arrived.

use chrono::{DateTime, Utc};
use flysk_domain::platform::mail::TransferLetter;
use flysk_domain::platform::transfers::{PaymentSubject, TransferInvoiceState};
use flysk_queue::UnitOfWork;
use flysk_store::platform::transfers::{self, TransferInvoice};

use super::act::plan_act;
use super::letters::queue_letter;
use super::{TransferContext, TransferError};
use crate::live_payments::{TRANSFER_MEANS, end_invoice, withdraw_waiting};
use crate::purchases::{PaymentContext, credit_transferred};
use crate::subscriptions::{Actor, SettleOutcome, Settlement, settle_invoice};

/// Grants what an invoice pays, at the price and the VAT of the invoice. `false` if it cannot be granted any more: then all of the
/// invoice's money is in the firm's balance.
///
/// The caller has locked the invoice, whose sum has arrived.
pub(super) async fn settle_transfer(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    invoice: &TransferInvoice,
    paid_at: DateTime<Utc>,
) -> Result<bool, TransferError> {
    let now = context.clock.now();
    let granted = match invoice.subject {
        PaymentSubject::Invoice(id) => {
            // Days count from when the payment is known, so that a slow bank costs the customer none.
            let settlement = Settlement { paid_at: now, means: TRANSFER_MEANS, actor: Actor::Bank };
            let outcome = settle_invoice(unit, context.clock, id, settlement).await?;
            matches!(outcome, SettleOutcome::Settled | SettleOutcome::Reopened)
        }
        PaymentSubject::Purchase(id) => {
            let payment = PaymentContext { keyring: context.keyring, clock: context.clock };
            credit_transferred(unit, payment, id).await?
        }
    };
    let outcome = if granted { "granted" } else { "to_balance" };
    metrics::counter!("flysk_transfer_invoices_settled_total", "outcome" => outcome).increment(1);
    if granted {
        transfers::mark_transfer_paid(unit, invoice.id, paid_at, now).await?;
        // Money of an expired invoice came late, and another one waits for the same subject.
        withdraw_waiting(unit, context.clock, invoice.subject, "superseded").await?;
        plan_act(unit, context, invoice).await?;
        queue_letter(unit, context.clock, invoice, TransferLetter::Paid).await?;
        tracing::info!(transfer_invoice.id = %invoice.id, number = %invoice.number, "transfer invoice paid");
    } else {
        end_invoice(unit, context.clock, invoice, TransferInvoiceState::Void, "late").await?;
        tracing::warn!(
            transfer_invoice.id = %invoice.id, number = %invoice.number,
            "the money of a transfer invoice can not buy what it was for: it is in the firm's balance"
        );
    }
    Ok(granted)
}
