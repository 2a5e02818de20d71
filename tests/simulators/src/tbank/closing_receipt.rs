//! `SendClosingReceipt`: the receipt of the settlement after a prepayment (54-FZ). Its path has no `/v2`.

use bytes::Bytes;
use flysk_domain::Clock;
use poem::web::Data;
use poem::{Request, Response, handler};
use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, text};
use super::refusal::{ApiError, ApiResult};
use super::{TBank, api, receipt};
use crate::lock::locked;

const FIELDS: &[Field] = &[("PaymentId", Kind::Digits(20), true), ("Receipt", Kind::Object, true)];

/// `POST /cashbox/SendClosingReceipt`.
#[handler]
pub(super) async fn call(request: &Request, body: Bytes, Data(bank): Data<&TBank>) -> Response {
    api::answer(request, &body, bank, Some(FIELDS), async |_, fields| close(bank, &fields).map(Into::into))
        .await
}

/// Needs a confirmed payment whose receipt has a prepaid line; the lines of all closing receipts may not exceed the
/// payment (eacq/send-closing-receipt).
fn close(bank: &TBank, body: &Map<String, Value>) -> ApiResult {
    let now = bank.control().clock().now();
    let mut bank_state = locked(&bank.inner.bank_state);
    let id = text(body, "PaymentId").unwrap_or_default();
    let payment = bank_state.payment(id, now).ok_or_else(|| ApiError::new(255, "Платёж не найден"))?;
    if !payment.is_paid() {
        return Err(ApiError::new(8, "Закрывающий чек возможен после CONFIRMED").about(payment));
    }
    let prepaid = |line: &Value| {
        matches!(line["PaymentMethod"].as_str(), Some("full_prepayment" | "prepayment" | "advance"))
    };
    let lines = |receipt: &Value| receipt["Items"].as_array().cloned().unwrap_or_default();
    let of_income = payment.receipt.as_ref().map(lines).unwrap_or_default();
    if !of_income.iter().any(prepaid) {
        return Err(ApiError::new(308, "В чеке платежа нет предоплаты").about(payment));
    }
    let closing = body.get("Receipt").cloned().unwrap_or_default();
    let sum = |receipt: &Value| lines(receipt).iter().filter_map(|line| line["Amount"].as_i64()).sum::<i64>();
    if lines(&closing).iter().any(prepaid) {
        return Err(ApiError::field(
            "Receipt.Items.PaymentMethod",
            "закрывающий чек не может быть предоплатой",
        ));
    }
    receipt::check_closing(&closing, sum(&closing))?;
    let closed: i64 = payment.closing_receipts.iter().map(sum).sum();
    if closed + sum(&closing) > payment.left {
        return Err(ApiError::new(308, "Закрывающие чеки больше суммы платежа").about(payment));
    }
    payment.closing_receipts.push(closing);
    Ok(json!({"Success": true, "ErrorCode": "0", "Message": "OK", "TerminalKey": payment.terminal,
              "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": payment.amount}))
}
