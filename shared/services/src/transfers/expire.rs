//! The end of invoices that were not paid.

use chrono::Days;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{DAYS_IN_TRANSIT, TransferInvoiceState, is_past_due};
use flysk_domain::trace::Trace;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::transfers;
use flysk_store::{StoreError, StoreResult, repeat_contended};

use super::{TransferContext, TransferError};
use crate::live_payments::{EXPIRED, end_invoice};

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
