//! Acts: what was served, when an act is due, and issuing it.
//!
//! An issued act has a number of the seller's own series and is stored as it was issued: whatever the seller is called or taxed by
//! later, its act does not change.

use chrono::Days;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{ActState, PaymentSubject};
use flysk_jobs::platform::transfers::IssueAct;
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions;
use flysk_store::platform::transfers::{self, NewAct, TransferInvoice};
use flysk_store::{StoreError, StoreResult};

use super::TransferContext;
use crate::pdf::compose_act;

/// Plans the act of a paid invoice: for the day after the period, or for today if coins were bought. One that is due today is issued
/// by a job at once, the others by the tick of their day.
pub(super) async fn plan_act(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    invoice: &TransferInvoice,
) -> StoreResult<()> {
    let now = context.clock.now();
    let today = moscow_day(now);
    let period = match invoice.subject {
        PaymentSubject::Invoice(id) => subscriptions::find_invoice(unit, id).await?.map(|paid| paid.period),
        PaymentSubject::Purchase(_) => None,
    };
    let (served_from, served_until, due_on) = period.map_or((today, today, today), |period| {
        let last = period.until.checked_sub_days(Days::new(1)).unwrap_or(period.until);
        (period.from, last, period.until)
    });
    let act = NewAct {
        transfer_invoice: invoice.id,
        vendor_id: invoice.vendor_id,
        install_id: invoice.install_id,
        number: invoice.number,
        served_from,
        served_until,
        due_on,
    };
    transfers::insert_act(unit, &act, now).await?;
    if due_on <= today {
        unit.enqueue(&IssueAct { transfer_invoice_id: invoice.id }).await?;
    }
    Ok(())
}

/// Issues the act of an invoice whose day has come: gives it the next number of the seller's series, and stores what it says.
/// `false` if it is issued, not due yet, or not planned.
///
/// # Errors
///
/// The database failed. Nothing is written: the number is free again.
pub async fn issue_act(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    id: TransferInvoiceId,
) -> StoreResult<bool> {
    let now = context.clock.now();
    let Some(act) = transfers::lock_act(unit, id).await? else { return Ok(false) };
    if act.state != ActState::Due || act.due_on > moscow_day(now) {
        return Ok(false);
    }
    let invoice = transfers::find_transfer_invoice(unit, id).await?;
    let invoice = invoice.ok_or(StoreError::WrongState { what: "transfer invoice" })?;
    let number = transfers::take_act_number(unit, act.vendor_id, now).await?;
    let composed = compose_act(unit, &invoice, (number, act.due_on)).await?;
    let frozen = serde_json::to_string(&composed)
        .map_err(|error| StoreError::InvalidRow { what: "content of an act", reason: error.to_string() })?;
    transfers::mark_act_issued(unit, id, (number, &frozen), now).await?;
    metrics::counter!("flysk_transfer_acts_issued_total").increment(1);
    Ok(true)
}
