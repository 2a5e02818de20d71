//! `Cancel`: cancels, reverses or refunds, depending on the payment's status.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock;
use serde_json::{Map, Value, json};

use super::answer::with_payment;
use super::behaviour::{Behaviour, Refunds};
use super::fields::{Field, Kind, amount, text};
use super::model::{Payment, Refund, Source, Terminal};
use super::notifications::Notification;
use super::refusal::{ApiError, ApiResult};
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

pub(super) fn cancel(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let Behaviour { refund_ids_count, refunds, .. } = bank.behaviour();
    let now = bank.control().clock().now();
    let external_id = text(body, "ExternalRequestId").filter(|id| !id.trim().is_empty());
    let (answer, notifications) = with_payment(bank, body, |payment| {
        let refunds = if payment.source() == Source::Sbp { Refunds::Sbp } else { refunds };
        let ids_count = refund_ids_count && refunds != Refunds::Sbp;
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
            _ => return Err(ApiError::state(payment)),
        };
        let on_its_way = if payment.is_paid() { underway(payment, refunds, now)? } else { None };
        let refund = Refund {
            at: now,
            external_request_id: external_id.map(str::to_owned),
            amount: sum,
            status: status.to_owned(),
            from: on_its_way.is_some().then(|| payment.status.clone()),
            original_amount: payment.left,
            new_amount: payment.left - sum,
        };
        payment.refunds.push(refund.clone());
        payment.become_status(on_its_way.unwrap_or(status));
        if on_its_way.is_some() {
            return Ok((told(payment, &refund), Vec::new()));
        }
        payment.left = refund.new_amount;
        Ok((told(payment, &refund), vec![Notification::of(payment)]))
    })?;
    // The response does not wait for these notifications.
    drop(bank.announce(notifications));
    Ok(answer)
}

/// Intermediate status of a refund that is not immediate.
fn underway(
    payment: &Payment,
    refunds: Refunds,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>, ApiError> {
    let since = |time: TimeDelta| payment.refunds.iter().filter(|refund| refund.at > now - time).count();
    match refunds {
        Refunds::AtOnce => Ok(None),
        Refunds::Slow => Ok(Some("REFUNDING")),
        Refunds::Sbp if since(TimeDelta::hours(1)) >= 1 => {
            Err(ApiError::new(3029, "Превышено число попыток возврата за час").about(payment))
        }
        Refunds::Sbp if since(TimeDelta::days(1)) >= 5 => {
            Err(ApiError::new(3030, "Превышено число попыток возврата за сутки").about(payment))
        }
        Refunds::Sbp => Ok(Some("ASYNC_REFUNDING")),
    }
}

/// Amount to cancel: before payment always all of it; otherwise the given amount, or the amount of `Init`, which
/// exceeds the rest after a partial refund.
fn sum(payment: &Payment, body: &Map<String, Value>) -> Result<i64, ApiError> {
    if matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") {
        return Ok(payment.left);
    }
    let sum = amount(body, "Amount").unwrap_or(payment.amount);
    let refundable =
        payment.is_paid() || matches!(payment.status.as_str(), "AUTHORIZED" | "PARTIAL_REVERSED");
    if refundable && sum > payment.left {
        return Err(ApiError::new(330, "Сумма возврата больше остатка").about(payment));
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
