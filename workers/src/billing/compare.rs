//! Where the bank's word about an order and ours do not agree.

use flysk_clients::tbank::{OrderPayment, PaymentsOfOrder};
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

/// Compares a purchase with all payments the bank knows of its order.
pub(super) fn compare(purchase: &Purchase, order: &PaymentsOfOrder) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let mut differ = |kind, payment: Option<&OrderPayment>, ours: String, banks: String| {
        let payment_id = payment.map(|payment| payment.payment_id.clone());
        found.push(Disagreement { kind, payment_id, ours, banks });
    };
    let paid: Vec<&OrderPayment> =
        order.payments.iter().filter(|payment| payment.status.charged() == Charged::Paid).collect();
    if paid.len() > 1 {
        differ(
            "paid_twice",
            paid.last().copied(),
            "one payment".to_owned(),
            format!("{} payments", paid.len()),
        );
    }
    let known = purchase.payment_id.as_deref();
    let same = |payment: &&&OrderPayment| known.is_none_or(|id| id == payment.payment_id);
    let payment = paid.iter().find(same).copied().or_else(|| paid.first().copied());
    let is_paid = purchase.state == PurchaseState::Paid;
    match payment {
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
            if payment.amount.is_some_and(|amount| amount != purchase.price && !is_refunded(&payment.status))
            {
                let told = payment.amount.unwrap_or_default();
                differ("amount", Some(payment), purchase.price.to_string(), told.to_string());
            }
            if is_refunded(&payment.status) != purchase.refunded.is_positive()
                || (payment.status == PaymentStatus::Refunded) != (purchase.refunded == purchase.price)
            {
                let ours = format!("refunded {}", purchase.refunded);
                differ("refund", Some(payment), ours, payment.status.to_string());
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

const fn is_refunded(status: &PaymentStatus) -> bool {
    matches!(status, PaymentStatus::PartialRefunded | PaymentStatus::Refunded)
}
