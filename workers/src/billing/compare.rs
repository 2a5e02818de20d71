//! Where the bank's word about an order and ours do not agree.

use flysk_clients::tbank::{OrderPayment, PaymentsOfOrder};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_domain::platform::tbank::{Charged, PaymentStatus};
use flysk_store::purchases::Purchase;

/// One disagreement: its kind, whose payment, what we know, what the bank says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disagreement {
    pub(super) kind: &'static str,
    pub(super) payment_id: Option<String>,
    pub(super) ours: String,
    pub(super) banks: String,
}

/// What of a purchase's money is on its way back, or went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Returns {
    /// A refund of ours has not come to its end: the books may differ until it does.
    pub(super) under_way: bool,
    /// What is left of the payment, if the bank was asked.
    pub(super) left: Option<Kopecks>,
}

/// The payment of an order whose amount alone tells how much of it was given back.
pub(super) fn partly_refunded<'a>(
    purchase: &Purchase,
    order: &'a PaymentsOfOrder,
) -> Option<&'a OrderPayment> {
    let payment = paid_payment(purchase, order)?;
    let asked = purchase.state == PurchaseState::Paid && payment.status == PaymentStatus::PartialRefunded;
    asked.then_some(payment)
}

fn paid_payments(order: &PaymentsOfOrder) -> Vec<&OrderPayment> {
    order.payments.iter().filter(|payment| payment.status.charged() == Charged::Paid).collect()
}

/// The purchase's own, if it took money; otherwise another of its order that did.
fn paid_payment<'a>(purchase: &Purchase, order: &'a PaymentsOfOrder) -> Option<&'a OrderPayment> {
    let paid = paid_payments(order);
    let known = purchase.payment_id.as_deref();
    let same = |payment: &&&OrderPayment| known.is_none_or(|id| id == payment.payment_id);
    paid.iter().find(same).or(paid.first()).copied()
}

/// Compares a purchase with all payments the bank knows of its order.
pub(super) fn compare(purchase: &Purchase, order: &PaymentsOfOrder, returns: Returns) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let mut differ = |kind, payment: Option<&OrderPayment>, ours: String, banks: String| {
        let payment_id = payment.map(|payment| payment.payment_id.clone());
        found.push(Disagreement { kind, payment_id, ours, banks });
    };
    let ours = paid_payment(purchase, order);
    // One that was given back whole is mended.
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
        // All of it went back before any coin came: both agree that nothing was bought.
        Some(payment) if !is_paid && payment.status == PaymentStatus::Refunded => {}
        Some(payment) if !is_paid => {
            differ(
                "paid_at_the_bank",
                Some(payment),
                purchase.state.code().to_owned(),
                payment.status.to_string(),
            );
        }
        Some(payment) => {
            // Once money went back the amount is what is left of it, or still the first one.
            let taken = payment.amount.filter(|_| payment.status == PaymentStatus::Confirmed);
            if let Some(taken) = taken.filter(|taken| *taken != purchase.price) {
                differ("amount", Some(payment), purchase.price.to_string(), taken.to_string());
            }
            if !returns.under_way
                && let Some(banks) = refund_difference(purchase, payment, returns.left)
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

/// What the bank says was given back, if that is not what we know of.
fn refund_difference(purchase: &Purchase, payment: &OrderPayment, left: Option<Kopecks>) -> Option<String> {
    let (price, ours) = (purchase.price, purchase.refunded);
    let banks = match payment.status {
        PaymentStatus::Confirmed => Kopecks::ZERO,
        PaymentStatus::Refunded => price,
        PaymentStatus::PartialRefunded => match left.filter(|left| *left < price) {
            Some(left) => price.minus(left).ok()?,
            // A part, and nobody says how much.
            None if ours.is_positive() && ours < price => return None,
            None => return Some(payment.status.to_string()),
        },
        // It is being given back, and has not arrived.
        _ => return None,
    };
    (banks != ours).then(|| format!("{}, given back {banks}", payment.status))
}
