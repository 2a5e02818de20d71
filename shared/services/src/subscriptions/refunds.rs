//! Refundable part of an invoice.

use flysk_domain::Clock;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{RefundableInvoice, moscow_day};
use flysk_store::platform::subscriptions::Invoice;

pub(crate) const fn refundable(invoice: &Invoice) -> RefundableInvoice {
    RefundableInvoice { paid: invoice.total, refunded: invoice.refunded, period: invoice.period }
}

/// The fair share of a paid invoice today: the part of its unused days, as a suggestion to the operator.
pub fn suggested_refund(invoice: &Invoice, clock: &dyn Clock) -> Kopecks {
    refundable(invoice).fair_share(moscow_day(clock.now())).unwrap_or(Kopecks::ZERO)
}
