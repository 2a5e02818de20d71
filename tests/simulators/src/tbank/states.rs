//! `GetState` and `CheckOrder`: read-only methods.

use flysk_domain::Clock;
use serde_json::{Map, Value, json};

use super::TBank;
use super::answer::{told, with_payment};
use super::fields::{Field, Kind, text};
use super::model::Terminal;
use super::refusal::{ApiError, ApiResult};
use crate::lock::locked;

pub(super) const STATE_FIELDS: &[Field] =
    &[("PaymentId", Kind::Digits(20), true), ("IP", Kind::Text(45), false), ("GetPhone", Kind::Flag, false)];

pub(super) const ORDER_FIELDS: &[Field] = &[("OrderId", Kind::Text(36), true)];

pub(super) fn get_state(bank: &TBank, body: &Map<String, Value>) -> ApiResult {
    let tells_rebill = bank.behaviour().state_tells_rebill;
    with_payment(bank, body, |payment| {
        let mut state = told(payment);
        state["Message"] = json!("OK");
        // The current amount, less reversals and refunds.
        state["Amount"] = json!(payment.left);
        state["Params"] =
            json!([{"Key": "Route", "Value": "ACQ"}, {"Key": "Source", "Value": payment.source()}]);
        if let Some(rebill_id) = payment.rebill_id.filter(|_| tells_rebill) {
            state["RebillId"] = json!(rebill_id.to_string());
        }
        Ok(state)
    })
}

pub(super) fn check_order(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let order_id = text(body, "OrderId").unwrap_or_default();
    let as_texts = bank.behaviour().texts_for_numbers;
    let now = bank.control().clock().now();
    let mut bank_state = locked(&bank.inner.bank_state);
    let ids: Vec<String> = bank_state
        .payments_of_order(&terminal.key, order_id)
        .into_iter()
        .map(|payment| payment.id.clone())
        .collect();
    let mut payments = Vec::new();
    for id in &ids {
        let Some(payment) = bank_state.payment(id, now) else { continue };
        let success = payment.error_code == 0;
        payments.push(if as_texts {
            json!({
                "PaymentId": payment.id, "Amount": payment.amount.to_string(), "Status": payment.status,
                "RRN": null, "Success": success.to_string(), "ErrorCode": payment.error_code.to_string(),
                "Message": "None",
            })
        } else {
            json!({
                "PaymentId": payment.id, "Amount": payment.amount, "Status": payment.status,
                "Success": success, "ErrorCode": payment.error_code, "Message": "None",
            })
        });
    }
    if payments.is_empty() {
        return Err(ApiError::new(335, "Заказ не найден"));
    }
    Ok(json!({
        "Success": true, "ErrorCode": "0", "TerminalKey": terminal.key, "OrderId": order_id,
        "Message": "OK", "Payments": payments,
    }))
}
