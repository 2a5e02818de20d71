//! One request: who asks, about what, signed how; then the method itself.

use bytes::Bytes;
use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};
use serde_json::{Map, Value};

use super::fields::{Field, text};
use super::model::Terminal;
use super::refusal::Refusal;
use super::{TBank, cancel, charge, init, signature, states};
use crate::control::locked;

/// `POST /v2/<Method>`. Names are case sensitive.
#[handler]
pub(super) async fn call(
    request: &Request,
    Path(method): Path<String>,
    body: Bytes,
    Data(bank): Data<&TBank>,
) -> Response {
    if !request.content_type().is_some_and(|kind| kind.starts_with("application/json")) {
        return page(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let Ok(text_body) = std::str::from_utf8(&body) else { return page(StatusCode::BAD_REQUEST) };
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(text_body) else {
        return page(StatusCode::BAD_REQUEST);
    };
    let Some(expected) = fields_of(&method) else { return page(StatusCode::NOT_FOUND) };
    let terminal_key = text(&fields, "TerminalKey").unwrap_or_default().to_owned();
    let answer = async {
        let terminal = admit(bank, text_body, &fields)?;
        super::fields::check(&fields, expected)?;
        match method.as_str() {
            "Init" => init::init(bank, &terminal, &fields),
            "GetState" => states::get_state(bank, &fields),
            "CheckOrder" => states::check_order(bank, &terminal, &fields),
            "Charge" => charge::charge(bank, &terminal, &fields).await,
            "Confirm" => charge::confirm(bank, &fields).await,
            _ => cancel::cancel(bank, &terminal, &fields),
        }
    };
    let body = match answer.await {
        Ok(body) => body,
        Err(refusal) => refusal.body(&terminal_key),
    };
    Response::builder().content_type("application/json").body(body.to_string())
}

fn fields_of(method: &str) -> Option<&'static [Field]> {
    Some(match method {
        "Init" => init::FIELDS,
        "GetState" => states::STATE_FIELDS,
        "CheckOrder" => states::ORDER_FIELDS,
        "Charge" => charge::CHARGE_FIELDS,
        "Confirm" => charge::CONFIRM_FIELDS,
        "Cancel" => cancel::FIELDS,
        _ => return None,
    })
}

/// The terminal, the payment, the token, in this order: with a foreign payment a wrong password is never
/// told, "not found" is.
fn admit(bank: &TBank, body: &str, fields: &Map<String, Value>) -> Result<Terminal, Refusal> {
    let mut world = locked(&bank.inner.world);
    let terminal = text(fields, "TerminalKey").and_then(|key| world.terminal(key)).cloned();
    let terminal = terminal.ok_or_else(|| Refusal::new(205, "Терминал не найден"))?;
    if let Some(id) = text(fields, "PaymentId") {
        let now = bank.control().clock().now();
        let ours = world.payment(id, now).is_some_and(|payment| payment.terminal == terminal.key);
        if !ours {
            return Err(Refusal::new(255, "Платёж не найден"));
        }
    }
    let token = text(fields, "Token").unwrap_or_default();
    if signature::sign(body, &terminal.password).is_none_or(|expected| expected != token) {
        return Err(Refusal::new(204, "Проверьте пару TerminalKey и SecretKey"));
    }
    Ok(terminal)
}

/// What the front answers when a request does not reach the bank's methods; not JSON.
fn page(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let html = format!("<html><head><title>{status}</title></head><body><h1>{reason}</h1></body></html>");
    Body::from_string(html).with_content_type("text/html").with_status(status).into_response()
}

/// What `Init`, `GetState`, `Charge` and `Confirm` tell of a payment.
pub(super) fn told(payment: &super::Payment) -> Value {
    serde_json::json!({
        "Success": true,
        "ErrorCode": "0",
        "TerminalKey": payment.terminal,
        "Status": payment.status,
        "PaymentId": payment.id,
        "OrderId": payment.order_id,
        "Amount": payment.amount,
    })
}

/// Looks a payment up that `admit` has seen.
pub(super) fn with_payment<T>(
    bank: &TBank,
    fields: &Map<String, Value>,
    act: impl FnOnce(&mut super::Payment) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut world = locked(&bank.inner.world);
    let id = text(fields, "PaymentId").unwrap_or_default();
    let now = bank.control().clock().now();
    act(world.payment(id, now).ok_or_else(|| Refusal::new(255, "Платёж не найден"))?)
}
