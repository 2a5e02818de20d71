//! Money that arrives for an invoice that is not open any more.

use chrono::NaiveDate;

use super::calendar::Period;
use super::subscription::SubscriptionState;
use crate::UnknownText;

/// Progress of an invoice.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InvoiceState {
    /// Waits for its payment.
    Open,
    /// Its money arrived, or an operator marked it as paid.
    Paid,
    /// Withdrawn: superseded, expired, or voided by an operator.
    Void,
}

/// Subject that an invoice pays.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InvoiceKind {
    /// A first period, or a new one after an end.
    Start,
    /// A change within the current period.
    Change,
    /// The next period.
    Renewal,
}

/// Why money is returned.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// The invoice was already paid by another payment.
    PaidTwice,
    /// The customer cancelled meanwhile.
    Cancelled,
    /// The period that it paid is over, or another one took its place.
    TooLate,
    /// The subject of the payment was changed meanwhile.
    Superseded,
}

/// Facts about an invoice when money for it arrives.
#[derive(Debug, Clone, Copy)]
pub struct PaidInvoice {
    /// As it is when the money arrives, under the lock of the invoice.
    pub invoice: InvoiceState,
    /// As it is when the money arrives, under the same lock.
    pub subscription: SubscriptionState,
    /// The period that a renewal pays; `None` for other invoices.
    pub renews: Option<Period>,
    /// Whether the period follows the subscription's last one without a gap.
    pub follows: bool,
    /// Day of the payment, Moscow.
    pub paid_on: NaiveDate,
}

/// Use of money that arrived late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatePayment {
    /// The invoice is open: settle it.
    Settle,
    /// The subscription expired while the money was on its way: reopen it for the period that was paid, with an alarm.
    Reopen,
    /// Return the money, with an alarm. The subscription does not change.
    Refund(RefundReason),
}

/// Decides about money for an invoice. A cancelled subscription is never revived by it.
pub fn late_payment(paid: PaidInvoice) -> LatePayment {
    match (paid.invoice, paid.renews) {
        (InvoiceState::Open, _) => LatePayment::Settle,
        (InvoiceState::Paid, _) => LatePayment::Refund(RefundReason::PaidTwice),
        (InvoiceState::Void, _) if paid.subscription == SubscriptionState::Cancelled => {
            LatePayment::Refund(RefundReason::Cancelled)
        }
        (InvoiceState::Void, Some(period)) if paid.subscription == SubscriptionState::Expired => {
            if paid.follows && period.contains(paid.paid_on) {
                LatePayment::Reopen
            } else {
                LatePayment::Refund(RefundReason::TooLate)
            }
        }
        (InvoiceState::Void, Some(_)) => LatePayment::Refund(RefundReason::TooLate),
        (InvoiceState::Void, None) => LatePayment::Refund(RefundReason::Superseded),
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::day;
    use super::*;

    #[test]
    fn late_money_never_revives_a_cancelled_subscription() {
        use InvoiceState::{Open, Paid, Void};
        use SubscriptionState::{Active, Cancelled, Expired, PastDue};
        let period = Some(Period::new(day("2027-01-01"), day("2027-02-01")).unwrap());
        let refund = LatePayment::Refund;
        for (invoice, subscription, renews, follows, paid_on, wanted) in [
            (Open, PastDue, period, true, "2027-01-10", LatePayment::Settle),
            (Open, Active, None, false, "2027-01-10", LatePayment::Settle),
            (Paid, Active, period, true, "2027-01-10", refund(RefundReason::PaidTwice)),
            (Void, Cancelled, period, true, "2027-01-10", refund(RefundReason::Cancelled)),
            (Void, Cancelled, None, false, "2027-01-10", refund(RefundReason::Cancelled)),
            (Void, Expired, period, true, "2027-01-31", LatePayment::Reopen),
            (Void, Expired, period, true, "2027-02-01", refund(RefundReason::TooLate)),
            (Void, Expired, period, false, "2027-01-10", refund(RefundReason::TooLate)),
            (Void, Active, period, false, "2027-01-10", refund(RefundReason::TooLate)),
            (Void, Active, None, false, "2027-01-10", refund(RefundReason::Superseded)),
        ] {
            let paid = PaidInvoice { invoice, subscription, renews, follows, paid_on: day(paid_on) };
            assert_eq!(late_payment(paid), wanted, "{paid:?}");
        }
    }
}
