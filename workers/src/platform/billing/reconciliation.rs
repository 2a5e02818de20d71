//! Compares a purchase with the bank's payments of its order.

use flysk_clients::tbank::{OrderPayment, PaymentsOfOrder};
use flysk_domain::TextEnum as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_store::platform::purchases::Purchase;

/// A mismatch: its kind, the payment, our value and the bank's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) kind: &'static str,
    pub(super) payment_id: Option<String>,
    pub(super) ours: String,
    pub(super) banks: String,
}

/// Refunded amounts of a purchase, finished and pending.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RefundTotals {
    /// A refund is pending, so the amounts may differ until it ends.
    pub(super) under_way: bool,
    /// Remaining amount of the payment, kopecks, if T-Bank was queried.
    pub(super) left: Option<Kopecks>,
}

/// The partially refunded payment of an order. Only its amount shows how much was refunded.
pub(super) fn partly_refunded<'a>(
    purchase: &Purchase,
    order: &'a PaymentsOfOrder,
) -> Option<&'a OrderPayment> {
    let payment = paid_payment(purchase, order)?;
    let asked = purchase.state == PurchaseState::Paid && payment.status == PaymentStatus::PartialRefunded;
    asked.then_some(payment)
}

fn paid_payments(order: &PaymentsOfOrder) -> Vec<&OrderPayment> {
    order.payments.iter().filter(|payment| payment.status.outcome() == PaymentOutcome::Paid).collect()
}

/// The purchase's own payment if it took money, otherwise another one of the order that did.
fn paid_payment<'a>(purchase: &Purchase, order: &'a PaymentsOfOrder) -> Option<&'a OrderPayment> {
    let paid = paid_payments(order);
    let known = purchase.payment_id.as_deref();
    let same = |payment: &&&OrderPayment| known.is_none_or(|id| id == payment.payment_id);
    paid.iter().find(same).or(paid.first()).copied()
}

/// Compares a purchase with all payments of its order at T-Bank.
pub(super) fn compare_order(
    purchase: &Purchase,
    order: &PaymentsOfOrder,
    totals: RefundTotals,
) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut differ = |kind, payment: Option<&OrderPayment>, ours: String, banks: String| {
        let payment_id = payment.map(|payment| payment.payment_id.clone());
        found.push(Mismatch { kind, payment_id, ours, banks });
    };
    let ours = paid_payment(purchase, order);
    // A payment that was refunded completely needs no attention.
    let mut others = paid_payments(order);
    others.retain(|other| {
        ours.is_none_or(|ours| ours.payment_id != other.payment_id) && other.status != PaymentStatus::Refunded
    });
    if let Some(last) = others.last() {
        let banks = format!("{} payments", others.len() + 1);
        differ("paid_twice", Some(last), "one payment".to_owned(), banks);
    }
    let is_paid = purchase.state == PurchaseState::Paid;
    match ours {
        // Refunded completely before any coins were credited: both sides agree that nothing was bought.
        Some(payment) if !is_paid && payment.status == PaymentStatus::Refunded => {}
        Some(payment) if !is_paid => {
            differ(
                "paid_at_the_bank",
                Some(payment),
                purchase.state.as_str().to_owned(),
                payment.status.to_string(),
            );
        }
        Some(payment) => {
            // After a refund, the amount is either the remainder or still the original.
            let taken = payment.amount.filter(|_| payment.status == PaymentStatus::Confirmed);
            if let Some(taken) = taken.filter(|taken| *taken != purchase.price) {
                differ("amount", Some(payment), purchase.price.to_string(), taken.to_string());
            }
            if !totals.under_way
                && let Some(banks) = refund_difference(purchase, payment, totals.left)
            {
                differ("refund", Some(payment), format!("refunded {}", purchase.refunded), banks);
            }
        }
        None if is_paid => {
            let banks = order.payments.last().map_or("no payment".to_owned(), |last| last.status.to_string());
            differ("not_paid_at_the_bank", order.payments.last(), "paid".to_owned(), banks);
        }
        None => {}
    }
    found
}

/// The refunded amount at T-Bank, if it differs from ours.
fn refund_difference(purchase: &Purchase, payment: &OrderPayment, left: Option<Kopecks>) -> Option<String> {
    let (price, ours) = (purchase.price, purchase.refunded);
    let banks = match payment.status {
        PaymentStatus::Confirmed => Kopecks::ZERO,
        PaymentStatus::Refunded => price,
        PaymentStatus::PartialRefunded => match left.filter(|left| *left < price) {
            Some(left) => price.checked_sub(left).ok()?,
            // A partial refund of unknown amount.
            None if ours.is_positive() && ours < price => return None,
            None => return Some(payment.status.to_string()),
        },
        // The refund is still pending.
        _ => return None,
    };
    (banks != ours).then(|| format!("{}, refunded {banks}", payment.status))
}
