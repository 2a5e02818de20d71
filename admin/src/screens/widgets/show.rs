//! The page of a widget. Secrets are never shown.

use flysk_domain::TextEnum as _;
use flysk_domain::id::WidgetId;
use flysk_store::admin::audit;
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::platform::{initial_switch, vendors, widget_schemas};
use poem::Response;

use super::{edit, events, rotate, schema};
use crate::http::{Fault, Operator, Owner, Support, Visit};
use crate::screens::audit::acts_section;
use crate::view::{Cell, DetailPage, Row, Section, Table};

/// Path of the list.
const LIST: &str = "/widgets";
/// Acts shown on a widget's page.
const ACTS_SHOWN: u32 = 20;

/// `GET /widgets/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: WidgetId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let widget = widgets::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let versions = widget_schemas::list_versions(&mut conn, id).await?;
    let vendor = vendors::find_vendor_of_widget(&mut conn, id).await?;
    let starts_switched_off = initial_switch::starts_switched_off(&mut conn, id).await?;
    let acts = audit::list_of_subject(&mut conn, "widget", &id.to_string(), ACTS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(widget.name.clone()));
    page.links = vec![
        Cell::link(format!("/installs?widget={id}"), "Установки"),
        Cell::link(format!("/wallets?widget={id}"), "Кошельки"),
        Cell::link(format!("/subscriptions?widget={id}"), "Подписки"),
        Cell::link(format!("/api-errors?widget={id}"), "Ошибки API"),
        Cell::link(format!("/packages?widget={id}"), "Пакеты"),
        Cell::link(format!("/plans?widget={id}"), "Тарифы"),
    ];
    page.facts = facts(&widget, &versions);
    page.facts.push(("Новые установки ждут включения", Cell::flag(starts_switched_off)));
    page.facts.extend(
        vendor.map(|vendor| ("Продавец", Cell::link(format!("/vendors/{}", vendor.id), vendor.code))),
    );
    if visit.who.may::<Operator>() {
        page.acts = vec![
            edit::form(&widget),
            events::form(LIST, &widget, starts_switched_off),
            schema::form(&widget),
            events::test_form(LIST, id),
            rotate::client_secret_form(LIST, id),
        ];
    }
    if visit.who.may::<Owner>() {
        page.acts.extend(rotate::forms(LIST, id));
    }
    page.sections = vec![acts_section(&acts)];
    let json = |value: &serde_json::Value| Cell::json(&value.to_string());
    page.blocks.extend(widget.billing.as_ref().map(|billing| ("Биллинг", json(&billing.0))));
    page.blocks.extend(widget.settings_schema.as_ref().map(|schema| ("Схема настроек", json(&schema.0))));
    for version in &versions {
        let own = widget_schemas::find(&mut conn, id, version).await?;
        page.sections.extend(own.map(|own| schema_section(version, &own)));
    }
    visit.page(&page)
}

/// The schema of one version.
fn schema_section(version: &str, own: &serde_json::Value) -> Section {
    let rows = vec![Row::plain(vec![Cell::json(&own.to_string())])];
    Section::new(format!("Схема настроек версии {version}"), Table::new(&["Схема"], rows), "")
}

/// The parameters of a widget, without secrets.
pub(crate) fn facts(widget: &Widget, versions: &[String]) -> Vec<(&'static str, Cell)> {
    let delays = widget.delivery_delays.as_ref().map_or_else(
        || "10, 60, 300 с".to_owned(),
        |delays| format!("{} с", delays.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    );
    let own_urls = widget
        .event_urls
        .as_ref()
        .map(|urls| urls.0.iter().map(|(kind, url)| format!("{kind}: {url}")).collect::<Vec<_>>().join(", "));
    let kinds = widget.event_kinds.as_ref().map_or_else(|| "обычные".to_owned(), |kinds| kinds.0.join(", "));
    vec![
        ("Id", Cell::code(widget.id)),
        ("Код", Cell::code(&widget.code)),
        ("Сервис", Cell::text(widget.crm.as_str())),
        ("Client id", Cell::code(&widget.client_uuid)),
        ("Redirect URI", Cell::text(widget.redirect_uri.clone())),
        ("Адрес событий", Cell::maybe(widget.event_url.clone())),
        ("Адреса по видам событий", Cell::maybe(own_urls)),
        ("Виды событий", Cell::text(kinds)),
        ("Повторы доставки", Cell::text(delays)),
        ("Токен рядом с подписью", Cell::flag(widget.events_carry_token)),
        ("Flycoins", Cell::flag(widget.uses_flycoins)),
        ("Подписки", Cell::flag(widget.uses_subscriptions)),
        ("Пробных дней", Cell::number(widget.trial_days)),
        ("Версии со своей схемой", Cell::text(versions.join(", "))),
        ("Зарегистрирован", Cell::time(widget.created_at)),
        ("Изменён", Cell::time(widget.updated_at)),
    ]
}
