//! `Cancel`: cancels, reverses or refunds, by where the payment stands.

use serde_json::{Map, Value, json};

use super::api::with_payment;
use super::fields::{Field, Kind, amount, text};
use super::model::{Payment, Refund, Terminal};
use super::notices::Notice;
use super::refusal::{Answer, Refusal};
use super::{TBank, receipt};

pub(super) const FIELDS: &[Field] = &[
    ("PaymentId", Kind::Digits(20), true),
    ("Amount", Kind::Amount, false),
    ("IP", Kind::Text(45), false),
    ("Receipt", Kind::Object, false),
    ("ExternalRequestId", Kind::Text(256), false),
    ("QrMemberId", Kind::Text(20), false),
    ("Shops", Kind::List, false),
    ("Route", Kind::Text(20), false),
    ("Source", Kind::Text(20), false),
];

pub(super) fn cancel(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> Answer {
    let ids_count = bank.behaviour().refund_ids_count;
    let external_id = text(body, "ExternalRequestId").filter(|id| !id.trim().is_empty());
    let (answer, notices) = with_payment(bank, body, |payment| {
        let known = |refund: &&Refund| {
            ids_count && external_id.is_some() && refund.external_request_id.as_deref() == external_id
        };
        if let Some(refund) = payment.refunds.iter().find(known) {
            return Ok((told(payment, refund), Vec::new()));
        }
        let sum = sum(payment, body)?;
        let partial = sum < payment.left;
        if payment.is_paid() {
            receipt::check_refund(terminal, body, sum, partial)?;
        }
        let status = match (payment.status.as_str(), partial) {
            ("NEW" | "FORM_SHOWED", _) => "CANCELED",
            ("AUTHORIZED" | "PARTIAL_REVERSED", true) => "PARTIAL_REVERSED",
            ("AUTHORIZED" | "PARTIAL_REVERSED", false) => "REVERSED",
            ("CONFIRMED" | "PARTIAL_REFUNDED", true) => "PARTIAL_REFUNDED",
            ("CONFIRMED" | "PARTIAL_REFUNDED", false) => "REFUNDED",
            _ => return Err(Refusal::state(payment)),
        };
        let before = payment.left;
        payment.left -= sum;
        payment.become_status(status);
        let refund = Refund {
            external_request_id: external_id.map(str::to_owned),
            amount: sum,
            status: status.to_owned(),
            original_amount: before,
            new_amount: payment.left,
        };
        payment.refunds.push(refund.clone());
        Ok((told(payment, &refund), vec![Notice::of(payment)]))
    })?;
    // Nobody waits for these notices.
    drop(bank.announce(notices));
    Ok(answer)
}

/// What is cancelled: before payment all of it whatever was said; otherwise what was said, or the amount of
/// `Init`, which after a partial refund is too much.
fn sum(payment: &Payment, body: &Map<String, Value>) -> Result<i64, Refusal> {
    if matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") {
        return Ok(payment.left);
    }
    let sum = amount(body, "Amount").unwrap_or(payment.amount);
    let refundable =
        payment.is_paid() || matches!(payment.status.as_str(), "AUTHORIZED" | "PARTIAL_REVERSED");
    if refundable && sum > payment.left {
        return Err(Refusal::new(330, "Сумма возврата больше остатка").about(payment));
    }
    Ok(sum)
}

fn told(payment: &Payment, refund: &Refund) -> Value {
    json!({
        "Success": true,
        "ErrorCode": "0",
        "Message": "OK",
        "TerminalKey": payment.terminal,
        "Status": payment.status,
        "PaymentId": payment.id,
        "OrderId": payment.order_id,
        "OriginalAmount": refund.original_amount,
        "NewAmount": refund.new_amount,
        "ExternalRequestId": refund.external_request_id,
    })
}
