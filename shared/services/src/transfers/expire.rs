//! The end of invoices that were not paid.

use chrono::Days;
use flysk_domain::Clock;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{
    BalanceCause, DAYS_IN_TRANSIT, PaymentSubject, TransferInvoiceState, is_past_due,
};
use flysk_domain::trace::Trace;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::purchases;
use flysk_store::platform::transfers::{self, BalanceOwner, TransferInvoice};
use flysk_store::{StoreError, StoreResult, repeat_contended};

use super::{TransferContext, TransferError};

/// Why an invoice ended whose due day has passed.
pub(super) const EXPIRED: &str = "expired";
/// Code of a purchase whose invoice expired; buyers read that the time to pay has run out.
const EXPIRED_PURCHASE: &str = "link_expired";

/// Ends an invoice that the caller has locked. What arrived of it, and what it had taken of the firm's balance, is in the
/// balance then. A purchase that it was to pay fails.
pub(super) async fn end_invoice(
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

/// Withdraws an invoice that waits for money, for the customer or an operator. `false` if it does not wait.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn withdraw_transfer_invoice(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    id: TransferInvoiceId,
) -> Result<bool, TransferError> {
    let invoice = transfers::lock_transfer_invoice(unit, id).await?;
    if !invoice.state.is_open() {
        return Ok(false);
    }
    end_invoice(unit, context.clock, &invoice, TransferInvoiceState::Void, "withdrawn").await?;
    Ok(true)
}

/// Ends invoices whose due day has passed, and those whose subject was paid otherwise or is void. Returns how many, at most
/// `limit` of each; runs one transaction per invoice. One that fails is logged, and the others end nevertheless.
///
/// # Errors
///
/// The lists cannot be read.
pub async fn expire_transfer_invoices(
    outbox: &Outbox,
    context: TransferContext<'_>,
    trace: &Trace,
    limit: u32,
) -> Result<u32, TransferError> {
    let today = moscow_day(context.clock.now());
    let before = today.checked_sub_days(Days::new(DAYS_IN_TRANSIT)).unwrap_or(today);
    let mut conn = outbox.pool().acquire().await.map_err(StoreError::from)?;
    let overdue = transfers::list_past_due(&mut conn, before, limit).await?;
    let superseded = transfers::list_superseded(&mut conn, limit).await?;
    drop(conn);
    let mut ended = 0;
    for (id, state, reason) in overdue
        .iter()
        .map(|invoice| (invoice.id, TransferInvoiceState::Expired, EXPIRED))
        .chain(superseded.iter().map(|id| (*id, TransferInvoiceState::Void, "superseded")))
    {
        let end = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let invoice = transfers::lock_transfer_invoice(&mut unit, id).await?;
            let due = state != TransferInvoiceState::Expired || is_past_due(invoice.due_on, today);
            let ends = invoice.state.is_open() && due;
            if ends {
                end_invoice(&mut unit, context.clock, &invoice, state, reason).await?;
            }
            unit.commit().await?;
            StoreResult::Ok(ends)
        };
        match repeat_contended(end).await {
            Ok(has_ended) => ended += u32::from(has_ended),
            Err(error) => {
                tracing::error!(transfer_invoice.id = %id, %error, "a transfer invoice did not end");
            }
        }
    }
    Ok(ended)
}
