//! Until when an invoice can be paid, and money that arrives for one that is not open any more.

use chrono::{DateTime, NaiveDate, Utc};

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

/// First moment at which an open invoice cannot be paid any more: it is due, or the period of a renewal is over. `None` if it has no end.
pub fn payable_until(
    kind: InvoiceKind,
    period: Period,
    due_at: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let gone_at = (kind == InvoiceKind::Renewal).then(|| period.ends_at());
    [gone_at, due_at].into_iter().flatten().min()
}

/// Whether an open invoice can still be paid at `now`. It does not depend on whether the scheduler has voided it.
pub fn can_be_paid(
    kind: InvoiceKind,
    period: Period,
    due_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    payable_until(kind, period, due_at).is_none_or(|until| now < until)
}

/// Decides about money for an invoice. A cancelled subscription is never revived by it, and days that are gone are not sold, although
/// the scheduler may not have voided their invoice yet.
pub fn late_payment(paid: PaidInvoice) -> LatePayment {
    match (paid.invoice, paid.renews) {
        (InvoiceState::Open, Some(period)) if paid.paid_on >= period.until => {
            LatePayment::Refund(RefundReason::TooLate)
        }
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
    fn an_invoice_can_be_paid_until_it_is_due_and_a_renewal_until_its_days_are_gone() {
        let period = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
        let due = Some(at("2027-01-02T09:00:00Z"));
        for (kind, due_at, now, wanted) in [
            (InvoiceKind::Start, due, "2027-01-02T08:59:59Z", true),
            (InvoiceKind::Change, due, "2027-01-02T09:00:00Z", false),
            (InvoiceKind::Renewal, None, "2026-12-20T09:00:00Z", true),
            (InvoiceKind::Renewal, None, "2027-01-31T20:59:59Z", true),
            (InvoiceKind::Renewal, None, "2027-01-31T21:00:00Z", false),
        ] {
            assert_eq!(can_be_paid(kind, period, due_at, at(now)), wanted, "{kind} {now}");
        }
        let until = |kind, due_at| payable_until(kind, period, due_at);
        assert_eq!(until(InvoiceKind::Renewal, None), Some(at("2027-01-31T21:00:00Z")));
        assert_eq!((until(InvoiceKind::Renewal, due), until(InvoiceKind::Change, due)), (due, due));
        assert_eq!(until(InvoiceKind::Start, None), None);
    }

    #[test]
    fn late_money_never_revives_a_cancelled_subscription() {
        use InvoiceState::{Open, Paid, Void};
        use SubscriptionState::{Active, Cancelled, Expired, PastDue};
        let period = Some(Period::new(day("2027-01-01"), day("2027-02-01")).unwrap());
        let refund = LatePayment::Refund;
        for (invoice, subscription, renews, follows, paid_on, wanted) in [
            (Open, PastDue, period, true, "2027-01-10", LatePayment::Settle),
            (Open, PastDue, period, true, "2027-01-31", LatePayment::Settle),
            (Open, PastDue, period, true, "2027-02-01", refund(RefundReason::TooLate)),
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
