//! One live payment per invoice of a subscription: a transfer invoice counts as one, like a form of the bank and a charge of the
//! card (0033).
//!
//! Who asks for a transfer invoice withdraws a form that nobody has paid yet; who opens a form withdraws the transfer invoice, and
//! what arrived of it is in the firm's balance. Automatic charges wait while a transfer invoice does.

use flysk_domain::platform::transfers::PaymentSubject;
use flysk_queue::UnitOfWork;
use flysk_store::platform::invoice_payments as attempts;
use flysk_store::platform::subscriptions;

use super::request::{NewTransferInvoice, RequestOutcome, request_transfer_invoice};
use super::{TransferContext, TransferError};
use crate::live_payments::withdraw_form;

/// Outcome of a customer's request for a transfer invoice.
#[derive(Debug)]
pub enum PayByTransfer {
    /// No other payment is live.
    Answered(RequestOutcome),
    /// A form is being cancelled, or a charge is under way: ask again in a moment.
    Busy,
}

/// Requests a transfer invoice, unless another payment of the same invoice may still take money. A form that the payer may use is
/// withdrawn first; only after the bank's `CANCELED` there can be a transfer invoice.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn pay_by_transfer(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    new: NewTransferInvoice<'_>,
) -> Result<PayByTransfer, TransferError> {
    if let PaymentSubject::Invoice(id) = new.subject
        && let Some(invoice) = subscriptions::find_invoice(unit, id).await?
    {
        subscriptions::lock_subscription(unit, invoice.subscription_id).await?;
        if attempts::find_open_attempt(unit, id).await?.is_some() {
            withdraw_form(unit, id).await?;
            return Ok(PayByTransfer::Busy);
        }
    }
    request_transfer_invoice(unit, context, new).await.map(PayByTransfer::Answered)
}
