//! `/unlink/{card}/{signature}`: unlinks the card that a reminder announces a charge of (376-FZ). It also works for an account that
//! has removed the widget, and so has no other page.

use flysk_domain::id::CardId;
use flysk_domain::trace::Trace;
use flysk_services::mail::is_card_unlink_link;
use flysk_services::subscriptions::{Actor, settings_of, unlink_saved_card};
use flysk_store::platform::invoice_payments::{self, Card};
use flysk_store::platform::{accounts, installs, subscriptions, widgets};
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use super::answer;
use super::view::Page;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// `GET`: the card and a button, or that it is unlinked.
#[handler]
pub(super) async fn show(deps: Data<&Deps>, Path((id, signature)): Path<(String, String)>) -> Response {
    let shown = async {
        let card = find(&deps, &id, &signature).await?;
        page(&deps, &card).await
    };
    answer(shown.await)
}

/// `POST`: unlinks the card. A repeated request gets the same page.
#[handler]
pub(super) async fn act(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    Path((id, signature)): Path<(String, String)>,
) -> Response {
    let acted = async {
        let card = find(&deps, &id, &signature).await?;
        unlink(&deps, &trace, &card).await?;
        let unlinked = find(&deps, &id, &signature).await?;
        page(&deps, &unlinked).await
    };
    answer(acted.await)
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "the link is not valid")
}

async fn find(deps: &Deps, id: &str, signature: &str) -> Result<Card, Problem> {
    let id: CardId = id.parse().map_err(|_| not_found())?;
    if !is_card_unlink_link(&deps.keyring, id, signature) {
        return Err(not_found());
    }
    invoice_payments::find_card(&mut *deps.conn().await?, id).await?.ok_or_else(not_found)
}

async fn unlink(deps: &Deps, trace: &Trace, card: &Card) -> Result<(), Problem> {
    let unlinked = repeat_contended(|| async {
        let mut unit = deps.begin(trace).await?;
        let row = subscriptions::lock_subscription_of_install(&mut unit, card.install_id).await?;
        let row = row.ok_or_else(not_found)?;
        let widget = widgets::find(&mut unit, row.widget_id).await?.ok_or_else(not_found)?;
        let (clock, settings) = (deps.clock(), settings_of(&widget));
        unlink_saved_card(&mut unit, clock, &settings, &row, card.id, Actor::Letter).await?;
        Ok::<_, Problem>(unit.commit().await?)
    });
    let unlinked = unlinked.await;
    deps.cache.invalidate_install(card.install_id);
    unlinked
}

async fn page(deps: &Deps, card: &Card) -> Result<Response, Problem> {
    let mut conn = deps.conn().await?;
    let install = installs::find(&mut conn, card.install_id).await?.ok_or_else(not_found)?;
    let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
    let widget = widgets::find(&mut conn, install.widget_id).await?.ok_or_else(not_found)?;
    let host = account.map(|account| account.host).unwrap_or_default();
    let about = format!("Подписка на виджет «{}», аккаунт {host}.", widget.name);
    let number = card.tail().map_or_else(|| "Карта".to_owned(), |tail| format!("Карта *{tail}"));
    let page = if card.unlinked_at.is_some() {
        Page::new("Карта отвязана")
            .say(format!("{number}: больше ничего не спишем. Оплаченный период остаётся за вами."))
            .say(about)
            .say("Следующий период можно оплатить вручную, на странице подписки в виджете.")
    } else {
        Page::new("Отвязать карту?")
            .say(format!("{number}. {about}"))
            .say(
                "Списаний с этой карты больше не будет, запланированное отменится сразу. Подписка не отменяется: следующий период \
                 можно оплатить вручную.",
            )
            .button("Отвязать карту", "unlink")
    };
    page.response(StatusCode::OK)
}
