//! Acts: what was served, and when the document is due.

use chrono::Days;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions;
use flysk_store::platform::transfers::{self, NewAct, TransferInvoice};

use super::TransferContext;

/// Plans the act of a paid invoice: for the day after the period, or for today if coins were bought.
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
    transfers::insert_act(unit, &act, now).await
}
