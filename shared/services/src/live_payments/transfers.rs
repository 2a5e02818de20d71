//! Transfer invoices that end without a payment.

use flysk_domain::Clock;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{BalanceCause, PaymentSubject, TransferInvoiceState, is_past_due};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::purchases;
use flysk_store::platform::transfers::{self, BalanceOwner, TransferInvoice};

/// Means of payment, as invoices of subscriptions record it.
pub(crate) const TRANSFER_MEANS: &str = "transfer";
/// Why an invoice ended whose due day has passed.
pub(crate) const EXPIRED: &str = "expired";
/// Code of a purchase whose invoice expired; buyers read that the time to pay has run out.
const EXPIRED_PURCHASE: &str = "link_expired";

/// Ends the transfer invoice that waits for a subject, because the subject is paid otherwise or is void: at once, so that the
/// firm's balance has what had arrived of it when the next invoice is asked for. `false` if none waits. The caller has locked
/// the subject.
pub(crate) async fn withdraw_waiting(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    subject: PaymentSubject,
    reason: &str,
) -> StoreResult<bool> {
    let Some(found) = transfers::find_open_transfer_invoice(unit, subject).await? else { return Ok(false) };
    let waiting = transfers::lock_transfer_invoice(unit, found.id).await?;
    if !waiting.state.is_open() {
        return Ok(false);
    }
    let (state, reason) = if is_past_due(waiting.due_on, moscow_day(clock.now())) {
        (TransferInvoiceState::Expired, EXPIRED)
    } else {
        (TransferInvoiceState::Void, reason)
    };
    end_invoice(unit, clock, &waiting, state, reason).await?;
    Ok(true)
}

/// Ends an invoice that the caller has locked. What arrived of it, and what it had taken of the firm's balance, is in the
/// balance then. A purchase that it was to pay fails.
pub(crate) async fn end_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: &TransferInvoice,
    state: TransferInvoiceState,
    reason: &str,
) -> StoreResult<()> {
    let now = clock.now();
    // An invoice that had ended before has given its part of the balance back.
    let reserved = if invoice.state.is_open() { invoice.from_balance } else { Kopecks::ZERO };
    let released = Kopecks(invoice.paid.0 + reserved.0);
    let ended = (invoice.id, invoice.state, invoice.paid);
    transfers::mark_transfer_ended(unit, ended, (state, reason), now).await?;
    if released.is_positive() {
        let owner =
            BalanceOwner { vendor: invoice.vendor_id, install: invoice.install_id, inn: invoice.payer.inn };
        let key = format!("{}:{reason}", invoice.id);
        transfers::change_balance(unit, owner, released, (BalanceCause::Released, key.as_str()), now).await?;
    }
    if let PaymentSubject::Purchase(id) = invoice.subject
        && reason != "replaced"
    {
        purchases::mark_failed(unit, id, EXPIRED_PURCHASE, now).await?;
    }
    metrics::counter!("flysk_transfer_invoices_ended_total", "reason" => reason.to_owned()).increment(1);
    Ok(())
}
