//! Handling of one request: authentication, payment look-up, signature, then the method.

use bytes::Bytes;
use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::fields::{Field, text};
use super::model::Terminal;
use super::refusal::ApiError;
use super::{TBank, cancel, cards, charge, init, signature, states};
use crate::lock::locked;

/// `POST /v2/<Method>`. Names are case sensitive.
#[handler]
pub(super) async fn call(
    request: &Request,
    Path(method): Path<String>,
    body: Bytes,
    Data(bank): Data<&TBank>,
) -> Response {
    let methods = async |terminal: Terminal, fields: Map<String, Value>| {
        if method == "Charge" {
            return charge::charge(bank, &terminal, &fields).await;
        }
        let answer = match method.as_str() {
            "Init" => init::init(bank, &terminal, &fields),
            "GetState" => states::get_state(bank, &fields),
            "CheckOrder" => states::check_order(bank, &terminal, &fields),
            "Confirm" => charge::confirm(bank, &fields).await,
            "AddCustomer" => cards::add_customer(bank, &terminal, &fields),
            "GetCustomer" => cards::get_customer(bank, &terminal, &fields),
            "GetCardList" => cards::list(bank, &terminal, &fields),
            "RemoveCard" => cards::remove(bank, &terminal, &fields),
            _ => cancel::cancel(bank, &terminal, &fields),
        };
        answer.map(Into::into)
    };
    answer(request, &body, bank, fields_of(&method), methods).await
}

/// Authenticates and validates a request, and runs the method on it. `expected`: the method's fields; `None` if there
/// is no such method.
pub(super) async fn answer(
    request: &Request,
    body: &Bytes,
    bank: &TBank,
    expected: Option<&'static [Field]>,
    method: impl AsyncFnOnce(Terminal, Map<String, Value>) -> Result<Answer, ApiError>,
) -> Response {
    if !bank.admits_request() {
        return page(StatusCode::TOO_MANY_REQUESTS);
    }
    if !request.content_type().is_some_and(|kind| kind.starts_with("application/json")) {
        return page(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let Ok(text_body) = std::str::from_utf8(body) else { return page(StatusCode::BAD_REQUEST) };
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(text_body) else {
        return page(StatusCode::BAD_REQUEST);
    };
    let Some(expected) = expected else { return page(StatusCode::NOT_FOUND) };
    let terminal_key = text(&fields, "TerminalKey").unwrap_or_default().to_owned();
    let admitted = admit(bank, text_body, &fields)
        .and_then(|terminal| super::fields::check(&fields, expected).map(|()| terminal));
    let answered = match admitted {
        Ok(terminal) => method(terminal, fields).await,
        Err(refusal) => Err(refusal),
    };
    let Answer { body, fault } = answered.unwrap_or_else(|refusal| refusal.body(&terminal_key).into());
    let mut response = Response::builder().content_type("application/json").body(body.to_string());
    if let Some(fault) = fault {
        response.extensions_mut().insert(fault);
    }
    response
}

fn fields_of(method: &str) -> Option<&'static [Field]> {
    Some(match method {
        "Init" => init::FIELDS,
        "GetState" => states::STATE_FIELDS,
        "CheckOrder" => states::ORDER_FIELDS,
        "Charge" => charge::CHARGE_FIELDS,
        "Confirm" => charge::CONFIRM_FIELDS,
        "Cancel" => cancel::FIELDS,
        "AddCustomer" => cards::CUSTOMER_FIELDS,
        "GetCustomer" => cards::CUSTOMER_KEY_FIELDS,
        "GetCardList" => cards::LIST_FIELDS,
        "RemoveCard" => cards::REMOVE_FIELDS,
        _ => return None,
    })
}

/// Checks terminal, payment and token, in this order: for a payment of another terminal the response is "not
/// found", even with a wrong password.
fn admit(bank: &TBank, body: &str, fields: &Map<String, Value>) -> Result<Terminal, ApiError> {
    let mut bank_state = locked(&bank.inner.bank_state);
    let terminal = text(fields, "TerminalKey").and_then(|key| bank_state.terminal(key)).cloned();
    let terminal = terminal.ok_or_else(|| ApiError::new(205, "Терминал не найден"))?;
    if let Some(id) = text(fields, "PaymentId") {
        let now = bank.control().clock().now();
        let ours = bank_state.payment(id, now).is_some_and(|payment| payment.terminal == terminal.key);
        if !ours {
            return Err(ApiError::new(255, "Платёж не найден"));
        }
    }
    let token = text(fields, "Token").unwrap_or_default();
    if signature::sign(body, &terminal.password).is_none_or(|expected| expected != token) {
        return Err(ApiError::new(204, "Проверьте пару TerminalKey и SecretKey"));
    }
    Ok(terminal)
}

/// Response of the front end when a request does not reach the bank's methods; not JSON.
fn page(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let html = format!("<html><head><title>{status}</title></head><body><h1>{reason}</h1></body></html>");
    Body::from_string(html).with_content_type("text/html").with_status(status).into_response()
}
