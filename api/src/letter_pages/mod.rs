//! Pages that letters lead to: paying an invoice, unlinking a card, and switching letters off. Server-rendered, in Russian, without
//! scripts and outside resources. The link is the permission, so nothing is changed by opening it: mail programs open links by themselves.

mod pay;
mod switch;
mod unlink;
mod view;

use poem::http::StatusCode;
use poem::{IntoResponse as _, Response, Route, get};

use self::view::Page;
use crate::problem::{Problem, ProblemCode};

/// Routes of the page where letters are switched off, below `/mail`.
pub(crate) fn switch_routes() -> Route {
    Route::new().at("/", get(switch::show).post(switch::act))
}

/// Routes of the page where an invoice is paid, below `/pay`.
pub(crate) fn pay_routes() -> Route {
    Route::new().at("/:invoice/:signature", get(pay::show).post(pay::begin))
}

/// Routes of the page where a card is unlinked, below `/unlink`.
pub(crate) fn unlink_routes() -> Route {
    Route::new().at("/:card/:signature", get(unlink::show).post(unlink::act))
}

/// The response, or an error page: whoever reads a letter understands no problem document.
fn answer(result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(|problem| {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = match problem.problem_code() {
            ProblemCode::NotFound => Page::new("Ссылка не подходит").say(
                "Проверьте, что адрес скопирован целиком. Счета и карта видны на странице подписки, она открывается из \
                 виджета.",
            ),
            ProblemCode::InstallNotActive => Page::new("Виджет отключён в аккаунте, платить не нужно")
                .say("Если виджет снова понадобится, подключите его в amoCRM и откройте подписку из него."),
            ProblemCode::PurchasesUnavailable => Page::new("Оплата сейчас не работает")
                .say("Ничего не списано. Напишите продавцу: его контакты есть на странице подписки, она открывается из виджета."),
            ProblemCode::WrongState => Page::new("Сейчас оплатить нельзя").say(
                "Другая оплата ещё не закончилась: возможно, деньги уже списываются. Откройте ссылку через несколько минут: \
                 если счёт оплачен, страница это скажет.",
            ),
            _ => Page::new("Что-то пошло не так")
                .say("Мы уже знаем об этом. Попробуйте через несколько минут."),
        };
        page.response(status).unwrap_or_else(|_| status.into_response())
    })
}
