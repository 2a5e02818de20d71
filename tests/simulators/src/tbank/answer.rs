//! What the methods have in common: their answers, and the payment that they are about.

use flysk_domain::Clock;
use serde_json::{Map, Value, json};

use super::TBank;
use super::fields::text;
use super::model::Payment;
use super::refusal::ApiError;
use crate::lock::locked;
use crate::server::AnswerFault;

/// An answer of a method, and what happens to it on its way.
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) fault: Option<AnswerFault>,
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self { body, fault: None }
    }
}

/// Payment fields in the responses of `Init`, `GetState`, `Charge` and `Confirm`.
pub(super) fn told(payment: &Payment) -> Value {
    json!({
        "Success": true,
        "ErrorCode": "0",
        "TerminalKey": payment.terminal,
        "Status": payment.status,
        "PaymentId": payment.id,
        "OrderId": payment.order_id,
        "Amount": payment.amount,
    })
}

/// Runs `act` on the payment that the request names; its terminal was checked before.
pub(super) fn with_payment<T>(
    bank: &TBank,
    fields: &Map<String, Value>,
    act: impl FnOnce(&mut Payment) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut bank_state = locked(&bank.inner.bank_state);
    let id = text(fields, "PaymentId").unwrap_or_default();
    let now = bank.control().clock().now();
    act(bank_state.payment(id, now).ok_or_else(|| ApiError::new(255, "Платёж не найден"))?)
}
