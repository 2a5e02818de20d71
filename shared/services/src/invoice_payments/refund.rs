//! Refunds of invoices, and the return of payments that no invoice takes.

use flysk_domain::Clock;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::InvalidRefund;
use flysk_jobs::platform::subscriptions::RefundInvoicePayment;
use flysk_queue::UnitOfWork;
use flysk_store::platform::invoice_payments::{
    self as store, Attempt, BY_SYSTEM, InvoiceRefund, RefundState,
};
use flysk_store::platform::subscriptions::{self as subscription_store, Invoice};
use flysk_store::{StoreError, StoreResult};

use crate::subscriptions::{lock, refundable, restore_prepaid, withdraw_prepaid};

/// The refund to request.
#[derive(Debug, Clone, Copy)]
pub struct RefundOrder<'a> {
    /// The invoice that was paid.
    pub invoice_id: InvoiceId,
    /// Amount; `None` for all that is left.
    pub kopecks: Option<Kopecks>,
    /// Requester of the refund, at most 80 ASCII characters.
    pub actor: &'a str,
    /// Why, for operators.
    pub reason: &'a str,
}

/// A refund cannot be requested.
#[derive(Debug, thiserror::Error)]
pub enum RequestRefundError {
    /// No attempt paid the invoice.
    #[error("the invoice has no payment at T-Bank")]
    NotPaid,
    /// Another refund has not ended. T-Bank's answer to it decides how much is left.
    #[error("another refund of the invoice is under way")]
    AlreadyInProgress,
    /// No address for receipts is known: it was erased with the account's data. A refund in part has a receipt, one of all that was paid
    /// has none.
    #[error(
        "no address for the receipt of a refund in part is known: refund all at once, or in the bank's portal"
    )]
    AddressErased,
    /// The amount does not fit what is left.
    #[error(transparent)]
    Amount(#[from] InvalidRefund),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets an amount of a paid invoice aside, stores its refund, and enqueues the job that returns the money. Locks the
/// subscription, the invoice and the attempt. Refunds together never exceed the payment: the invoice's amount is compared
/// when it is written. A next period that was paid ahead is taken back with all of its money; the current one goes on.
///
/// # Errors
///
/// The invoice was not paid at the bank, less is left of it, another refund has not ended, or the address for the receipt is erased. The
/// caller's transaction has to be rolled back.
pub async fn request_refund(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    order: RefundOrder<'_>,
) -> Result<InvoiceRefund, RequestRefundError> {
    let locked = lock(unit, order.invoice_id).await?;
    let invoice = &locked.invoice;
    if invoice.paid_at.is_none() {
        return Err(RequestRefundError::NotPaid);
    }
    let paid = store::lock_paying_attempt(unit, invoice.id).await?.ok_or(RequestRefundError::NotPaid)?;
    let mut left = paid.amount;
    for earlier in store::list_refunds(unit, paid.id).await? {
        if !earlier.state.has_ended() {
            return Err(RequestRefundError::AlreadyInProgress);
        }
        if earlier.state != RefundState::Refused {
            left = Kopecks(left.0.saturating_sub(earlier.amount.0));
        }
    }
    let (amount, _) = refundable(invoice).check(order.kopecks)?;
    if amount > left {
        return Err(InvalidRefund::MoreThanLeft(left).into());
    }
    if amount != paid.amount && !has_address(unit, invoice).await? {
        return Err(RequestRefundError::AddressErased);
    }
    let total = invoice.refunded.checked_add(amount).map_err(InvalidRefund::from)?;
    subscription_store::add_refunded(unit, invoice.id, invoice.refunded, total, clock.now()).await?;
    if total == invoice.total {
        withdraw_prepaid(unit, clock, &locked, (order.actor, order.reason)).await?;
    }
    Ok(insert(unit, clock, &paid, (amount, left), (order.actor, order.reason)).await?)
}

/// Whether an address for the receipts of an invoice is known: its own, or the last one of its subscription.
async fn has_address(unit: &mut UnitOfWork, invoice: &Invoice) -> StoreResult<bool> {
    if invoice.contact_sealed.is_some() {
        return Ok(true);
    }
    Ok(subscription_store::find_last_contact(unit, invoice.subscription_id).await?.is_some())
}

/// Returns a whole payment that no invoice takes. It is no refund of its invoice. The caller holds the attempt's lock.
pub(super) async fn return_payment(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    attempt: &Attempt,
    reason: &str,
) -> StoreResult<InvoiceRefund> {
    insert(unit, clock, attempt, (attempt.amount, attempt.amount), (BY_SYSTEM, reason)).await
}

async fn insert(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    paid: &Attempt,
    (amount, left): (Kopecks, Kopecks),
    (actor, reason): (&str, &str),
) -> StoreResult<InvoiceRefund> {
    let now = clock.now();
    let refund = InvoiceRefund {
        id: uuid::Builder::from_random_bytes(clock.random_u128().to_le_bytes()).into_uuid().to_string(),
        invoice_id: paid.invoice_id,
        payment_row_id: paid.id,
        amount,
        left,
        state: RefundState::Pending,
        reason: reason.chars().take(500).collect(),
        requested_by: actor.to_owned(),
        created_at: now,
        updated_at: now,
    };
    store::insert_refund(unit, &refund).await?;
    if amount == paid.amount {
        store::cancel_receipt(unit, paid.id, now).await?;
    }
    unit.enqueue(&RefundInvoicePayment { refund_id: refund.id.clone() }).await?;
    Ok(refund)
}

/// The bank refused a refund finally: its amount counts as paid again, the closing receipt is due again, and a next period that was taken
/// back is given back.
pub async fn refund_refused(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    refund: &InvoiceRefund,
) -> StoreResult<()> {
    if refund.requested_by == BY_SYSTEM {
        return Ok(());
    }
    let locked = lock(unit, refund.invoice_id).await?;
    let invoice = &locked.invoice;
    let rest = invoice.refunded.checked_sub(refund.amount).ok().filter(|rest| *rest >= Kopecks::ZERO);
    let rest = rest.ok_or(StoreError::WrongState { what: "refund" })?;
    let now = clock.now();
    subscription_store::add_refunded(unit, invoice.id, invoice.refunded, rest, now).await?;
    restore_prepaid(unit, clock, &locked).await?;
    store::restore_receipt(unit, refund.payment_row_id, now).await
}
