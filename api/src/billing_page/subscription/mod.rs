//! The hosted page of an account's subscription.
//!
//! Everybody of the account sees the state; administrators, as the handshake knew them, buy and change. Every form is a `POST`
//! that answers with a redirect, so that reloading a page repeats nothing, and every rule is that of the API: the handlers call
//! its operations. Nothing needs a script; the page that waits for a payment polls with one.

mod acts;
mod caller;
mod done;
mod form;
mod frame;
mod history;
mod invoice;
mod invoice_view;
mod lines;
mod offers;
mod overview;
mod payment;
mod pending;
mod quote;
mod quote_view;
mod receipts;
mod renewal;
mod seats;
mod state;
mod texts;
mod transfer;

use poem::http::{StatusCode, header};
use poem::{Endpoint, EndpointExt as _, Response, Route, get, post};

use super::{act_as, error_page, session, view};
use crate::billing_links::HostedPage;
use crate::problem::{Problem, ProblemCode};

/// Routes of the page, below `/billing/subscription`.
pub(crate) fn routes() -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/", get(session::open_subscription).head(session::check_link))
        .at("/:install", get(overview::show_overview))
        .at("/:install/quotes", post(quote::create))
        .at("/:install/quotes/:quote", get(quote::show))
        .at("/:install/quotes/:quote/apply", post(quote::apply))
        .at("/:install/invoices", get(history::show))
        .at("/:install/invoices/:invoice", get(invoice::show))
        .at("/:install/invoices/:invoice/payments", post(invoice::pay))
        .at("/:install/invoices/:invoice/discard", post(invoice::discard))
        .at("/:install/invoices/:invoice/transfer", get(transfer::ask).post(transfer::issue))
        .at("/:install/transfers/:transfer", get(transfer::show))
        .at("/:install/transfers/:transfer/cancel", post(transfer::cancel))
        .at("/:install/transfers/:transfer/cover", post(transfer::cover))
        .at("/:install/payments/:payment", get(payment::show))
        .at("/:install/payments/:payment/state", get(payment::show_state))
        .at("/:install/card/unlink", post(acts::unlink))
        .at("/:install/cancel", post(acts::cancel))
        .at("/:install/restore", post(acts::restore))
        .at("/:install/pending/:kind/withdraw", post(acts::withdraw))
        .at("/:install/seats/:user/free", post(seats::free))
        .around(act_as::guard)
}

/// The response of a handler: its page, or the page of its problem.
async fn answer(run: impl Future<Output = Result<Response, Problem>>) -> Response {
    run.await.unwrap_or_else(|problem| error_page(HostedPage::Subscription, &problem))
}

/// The redirect after a form.
fn see_other(path: String) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

/// The message for a problem that has no place on a page.
pub(super) fn message_of(problem: &Problem) -> view::Message {
    let (title, text) = match (problem.problem_code(), problem.status) {
        (_, 401) => (
            "Откройте страницу из виджета",
            "Ссылка действует недолго, и её время вышло. Вернитесь в amoCRM и откройте подписку ещё раз. Если вы уже \
             оплатили, ничего делать не нужно: подписка изменится сама.",
        ),
        (ProblemCode::AdminOnly, _) => (
            "Нужны права администратора",
            "Покупать и менять подписку могут администраторы аккаунта amoCRM. Попросите одного из них открыть эту страницу из \
             виджета.",
        ),
        (ProblemCode::SubscriptionsNotUsed, _) => {
            ("Подписки нет", "Этот виджет не продаётся по подписке. Платить за неё не нужно.")
        }
        (_, 403) => (
            "Виджет не установлен",
            "Оформить подписку можно, когда виджет подключён в вашем аккаунте amoCRM. Подключите его и откройте страницу снова.",
        ),
        (_, 404) => (
            "Такой страницы нет",
            "Расчёт, счёт или платёж не найден. Вернитесь в виджет и откройте подписку ещё раз.",
        ),
        (_, 409) => (
            "Подписка только что изменилась",
            "Ничего не списано. Вернитесь на страницу подписки, проверьте её и повторите.",
        ),
        (_, 400) => ("Форма устарела", "Откройте страницу ещё раз и повторите. Ничего не списано."),
        _ => (
            "Что-то пошло не так",
            "Мы уже знаем об этом. Попробуйте через несколько минут. Если вы уже оплатили, подписка изменится сама.",
        ),
    };
    view::Message { title, text }
}
