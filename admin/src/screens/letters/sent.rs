//! Letters about an install: what was sent when, without addresses.

use flysk_domain::TextEnum as _;
use flysk_domain::id::InstallId;
use flysk_store::platform::mail::{self, SentNotice};
use flysk_store::platform::{installs, subscriptions, widgets};
use poem::Response;

use crate::http::{Fault, Support, Visit};
use crate::view::{Cell, DetailPage, Labeled as _, Row, Section, Table};

/// Letters on the page.
const LETTERS_SHOWN: u32 = 200;

/// `GET /installs/:id/letters`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InstallId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let install = installs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let widget = widgets::find(&mut conn, install.widget_id).await?.ok_or(Fault::NotFound)?;
    let subscription = subscriptions::find_subscription_of_install(&mut conn, id).await?;
    let sent = match &subscription {
        Some(row) => mail::list_notices(&mut conn, row.id, LETTERS_SHOWN).await?,
        None => Vec::new(),
    };
    let preferences = mail::find_preferences(&mut conn, id).await?;
    let muted: Vec<&str> = preferences.muted.iter().map(|kind| kind.label()).collect();
    let mut page = DetailPage::new(visit.layout(format!("Письма: {}", widget.name)));
    page.links = vec![
        Cell::link(format!("/installs/{id}"), "Установка"),
        Cell::link("/letters", "Как выглядят письма"),
    ];
    page.facts = vec![
        ("Аккаунт", Cell::link(format!("/accounts/{}", install.account_id), install.account_id)),
        ("Отключены", Cell::text(muted.join(", "))),
        ("Адреса нет, по коду почты", Cell::maybe(preferences.bad_code)),
    ];
    let head = ["Письмо", "Состояние", "День", "Поставлено", "Изменилось"];
    let section = Section::new(
        "Отправленные письма",
        Table::new(&head, sent.iter().map(row).collect()),
        "Писем не было.",
    )
    .text("Письма о подписке за 90 дней. Адресов здесь нет: письмо уходит на адрес из последнего чека.");
    page.sections = vec![section];
    visit.page(&page)
}

fn row(notice: &SentNotice) -> Row {
    let href = format!("/letters/{}", notice.kind.as_str());
    Row::plain(vec![
        Cell::link(href, notice.kind.label()),
        notice.state.cell(),
        Cell::text(notice.local_day.format("%d.%m.%Y").to_string()),
        Cell::time(notice.created_at),
        Cell::time(notice.updated_at),
    ])
}
