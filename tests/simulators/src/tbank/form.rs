//! The payment form: a page with a choice of test cards and a button.

use flysk_domain::Clock;
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Html, Path};
use poem::{IntoResponse, Response, handler};
use serde::Deserialize;

use super::TBank;
use super::model::{MAX_FORM_OPENINGS, OwnCard, Payment, TEST_CARDS};
use super::scenario_error::ScenarioError;
use crate::lock::locked;

/// Shows the form.
#[handler]
pub(super) fn show(Path(slug): Path<String>, Data(bank): Data<&TBank>) -> Response {
    let now = bank.control().clock().now();
    let mut bank_state = locked(&bank.inner.bank_state);
    let own_cards = bank_state.cards.clone();
    let id =
        bank_state.payments.iter().find(|payment| payment.slug == slug).map(|payment| payment.id.clone());
    let Some(payment) = id.and_then(|id| bank_state.payment(&id, now)) else {
        return page("Платёж не найден", "").with_status(StatusCode::NOT_FOUND).into_response();
    };
    if matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") {
        payment.openings += 1;
        if payment.openings > MAX_FORM_OPENINGS {
            payment.become_status("ATTEMPTS_EXPIRED");
        } else if payment.status == "NEW" {
            payment.become_status("FORM_SHOWED");
        }
    }
    match payment.status.as_str() {
        "FORM_SHOWED" => page("Оплата", &form(payment, &own_cards)).into_response(),
        _ => result(payment),
    }
}

/// Form data.
#[derive(Debug, Deserialize)]
pub(super) struct Paid {
    card: String,
}

/// Pays with the chosen card.
#[handler]
pub(super) fn pay(Path(slug): Path<String>, Form(paid): Form<Paid>, Data(bank): Data<&TBank>) -> Response {
    let known = locked(&bank.inner.bank_state).payments.iter().find(|payment| payment.slug == slug).cloned();
    let Some(payment) = known else {
        return page("Платёж не найден", "").with_status(StatusCode::NOT_FOUND).into_response();
    };
    let number: String = paid.card.chars().filter(|symbol| !symbol.is_whitespace()).collect();
    match bank.pay(&payment.id, &number) {
        Ok(payment) => leave(&payment),
        Err(ScenarioError::UnknownCard) => page("Проверьте номер карты", &form(&payment, &bank.own_cards()))
            .with_status(StatusCode::BAD_REQUEST)
            .into_response(),
        Err(_) => result(&bank.payment(&payment.id).unwrap_or(payment)),
    }
}

/// Redirects to the shop, if the payment has a return URL.
fn leave(payment: &Payment) -> Response {
    let target = match payment.status.as_str() {
        "CONFIRMED" | "AUTHORIZED" => payment.success_url.as_deref(),
        "REJECTED" => payment.fail_url.as_deref(),
        _ => None,
    };
    match target {
        Some(url) => Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, filled(url, payment))
            .finish(),
        None => result(payment),
    }
}

/// Replaces `${Field}` by fields of the payment.
fn filled(url: &str, payment: &Payment) -> String {
    let success = (payment.error_code == 0).to_string();
    [
        ("${Success}", success.as_str()),
        ("${ErrorCode}", &payment.error_code.to_string()),
        ("${Amount}", &payment.amount.to_string()),
        ("${OrderId}", &payment.order_id),
        ("${PaymentId}", &payment.id),
    ]
    .into_iter()
    .fold(url.to_owned(), |url, (name, value)| url.replace(name, value))
}

fn result(payment: &Payment) -> Response {
    let text = match payment.status.as_str() {
        "CONFIRMED" | "AUTHORIZED" => "Оплачено",
        "PAY_CHECKING" => "Платёж обрабатывается, результат станет известен позже",
        "DEADLINE_EXPIRED" => "Срок действия ссылки истёк",
        "ATTEMPTS_EXPIRED" => "Форма открывалась слишком много раз",
        "CANCELED" => "Платёж отменён",
        _ => "Оплата не прошла",
    };
    let note = format!("<p id=\"result\" data-status=\"{}\">{text}</p>", escape(&payment.status));
    page("Результат оплаты", &note).into_response()
}

fn form(payment: &Payment, own_cards: &[OwnCard]) -> String {
    let option = |number: &str, title: &str| {
        ["<option value=\"", number, "\">", &grouped(number), " — ", &escape(title), "</option>"].concat()
    };
    let test_cards = TEST_CARDS.iter().map(|card| option(card.number, card.title));
    let own_cards = own_cards.iter().map(|card| option(&card.number, &card.title));
    let cards: String = test_cards.chain(own_cards).collect();
    let saved = if payment.recurrent {
        "<p>Карта будет сохранена для следующих списаний</p>"
    } else {
        ""
    };
    format!(
        "<p>{}</p><p id=\"amount\">{},{:02} ₽</p>{saved}\
         <form method=\"post\"><label>Карта <select name=\"card\" id=\"card\">{cards}</select></label>\
         <button type=\"submit\" id=\"pay\">Оплатить</button></form>",
        escape(&payment.description),
        payment.amount / 100,
        payment.amount % 100,
    )
}

fn grouped(number: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn page(title: &str, content: &str) -> Html<String> {
    Html(format!(
        "<!DOCTYPE html><html lang=\"ru\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"icon\" href=\"data:,\">\
         <style>body{{font:16px/1.5 sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}}\
         button{{display:block;margin-top:1rem;padding:.6rem 2rem;border:0;border-radius:.5rem;background:#ffdd2d}}\
         select{{width:100%;padding:.5rem}}#amount{{font-size:2rem}}</style></head>\
         <body><h1>{title}</h1>{content}</body></html>"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
