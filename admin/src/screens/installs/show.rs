//! The page of one install: status and its facts, tokens, settings with history, and the latest of its timeline.

use flysk_domain::id::InstallId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_store::JsonText;
use flysk_store::admin::lists::installs as listed;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::ledger;
use flysk_store::platform::settings_history::{self, SettingsVersion};
use flysk_store::platform::subscriptions;
use flysk_store::platform::tokens::{self, Pair};
use flysk_store::platform::transfers::list_owned_balances;
use poem::Response;
use serde_json::Value;

use crate::http::{Billing, Fault, Operator, Support, Visit};
use crate::screens::{act_as, transfers};
use crate::view::{Cell, DetailPage, Field, Form, Labeled as _, Row, Section, Table, format};

/// Versions of settings shown on the page.
const VERSIONS_SHOWN: u32 = 20;

/// `GET /installs/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InstallId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let install = installs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let row = listed::rows(&mut conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    let pair = tokens::find(&mut conn, id).await?;
    let wallet = ledger::find_wallet_of_install(&mut conn, id).await?;
    let subscription = subscriptions::find_subscription_of_install(&mut conn, id).await?;
    let versions = settings_history::list_latest(&mut conn, id, VERSIONS_SHOWN).await?;
    let balances = list_owned_balances(&mut conn, id).await?;
    let account = row.account_name.clone().filter(|name| !name.is_empty());
    let title = account.unwrap_or_else(|| row.account_id.to_string());
    let mut page = DetailPage::new(visit.layout(format!("{title}: {}", row.widget_code)));
    page.state = Some(install.status.cell());
    page.links = vec![Cell::link(format!("/installs/{id}/timeline"), "Лента событий")];
    page.links.extend(
        subscription.as_ref().map(|row| Cell::link(format!("/subscriptions/{}", row.id), "Подписка")),
    );
    page.links.extend(wallet.map(|wallet| Cell::link(format!("/wallets/{}", wallet.id), "Кошелёк")));
    page.links.push(Cell::link(format!("/installs/{id}/letters"), "Письма"));
    page.links.push(Cell::link(format!("/transfer-invoices?install={id}"), "Счета для переводов"));
    page.facts = facts(&install);
    page.facts.insert(2, ("Домен", Cell::maybe(row.host.clone())));
    page.facts.extend(pair.iter().flat_map(token_facts));
    page.acts = acts(&install, &visit);
    page.acts.push(act_as::form(id));
    if install.status != InstallStatus::Uninstalled && visit.who.may::<Operator>() {
        page.acts.extend(settings_acts(&install, &versions));
    }
    if subscription.is_none() && visit.who.may::<Billing>() {
        page.acts.push(
            Form::act(format!("/installs/{id}/subscription"), "Создать подписку", "Создать")
                .text("Для установки старше подписок её виджета: с пробным периодом, если он положен."),
        );
    }
    if visit.who.may::<Billing>() {
        page.acts.extend(transfers::balance_form(id, &balances));
    }
    page.sections =
        vec![Section::new("История настроек", versions_table(&versions), "Настройки ещё не менялись.")];
    page.sections.extend(transfers::balance_section(&balances));
    page.blocks = vec![("Настройки", Cell::json(install.settings.as_str()))];
    visit.page(&page)
}

fn facts(install: &Install) -> Vec<(&'static str, Cell)> {
    let facts = install.facts();
    vec![
        ("Id", Cell::code(install.id)),
        ("Аккаунт", Cell::link(format!("/accounts/{}", install.account_id), install.account_id)),
        ("Виджет", Cell::link(format!("/widgets/{}", install.widget_id), install.widget_id)),
        ("Доступ выдан", Cell::time(facts.granted_at)),
        ("Выдал администратор", install.granted_by_admin.map_or(Cell::Empty, Cell::flag)),
        ("Доступ потерян", Cell::time(facts.lost_at)),
        ("Интеграция отключена", Cell::time(facts.disconnected_at)),
        ("Включена", Cell::time(facts.switched_on_at)),
        ("Выключена", Cell::time(facts.switched_off_at)),
        ("Версия настроек", Cell::number(install.settings_version)),
        ("Событий", Cell::link(format!("/events?install={}", install.id), install.event_sequence)),
    ]
}

/// Facts about the tokens; the tokens themselves stay sealed.
fn token_facts(pair: &Pair) -> Vec<(&'static str, Cell)> {
    vec![
        ("Токены", pair.state.cell()),
        ("Токен действует до", Cell::time(pair.expires_at)),
        ("Токены обновлены", Cell::time(pair.refreshed_at)),
        ("Следующее обновление не раньше", Cell::time(pair.retry_at)),
    ]
}

fn acts(install: &Install, visit: &Visit<Support>) -> Vec<Form> {
    let id = install.id;
    let mut acts = Vec::new();
    if install.status != InstallStatus::Uninstalled {
        acts.push(
            Form::act(format!("/installs/{id}/reconnect"), "Ссылка для переподключения", "Создать ссылку")
                .text("Ссылка действует 12 часов. Отправьте её администратору аккаунта: по ней он заново выдаст доступ."),
        );
    }
    if !visit.who.may::<Operator>() {
        return acts;
    }
    match install.status {
        InstallStatus::Uninstalled => {}
        InstallStatus::Inactive => acts.push(
            Form::act(format!("/installs/{id}/switch-on"), "Включить", "Включить")
                .text("Виджет заработает в аккаунте, его бэкенд получит событие activate."),
        ),
        _ => acts.push(
            Form::act(format!("/installs/{id}/switch-off"), "Выключить", "Выключить")
                .text("Виджет перестанет работать в аккаунте, его бэкенд получит событие deactivate.")
                .danger(),
        ),
    }
    acts
}

/// Forms that change the settings, against the version that is shown.
fn settings_acts(install: &Install, versions: &[SettingsVersion]) -> Vec<Form> {
    let id = install.id;
    let change = Form::act(format!("/installs/{id}/settings"), "Изменить настройки", "Сохранить")
        .text("Настройки проверяются схемой виджета. Его бэкенд получит событие settings.changed.")
        .field(Field::hidden("version", install.settings_version))
        .field(
            Field::lines("settings", "Настройки")
                .value(editable(install.settings.as_str()))
                .required()
                .hint("JSON целиком"),
        );
    let former = versions.iter().filter(|version| version.version != install.settings_version);
    let former = former.map(|version| {
        let when = format::moscow(version.changed_at);
        (version.version, format!("{}: {when}, {}", version.version, version.changed_by))
    });
    let former: Vec<_> = former.collect();
    if former.is_empty() {
        return vec![change];
    }
    let restore =
        Form::act(format!("/installs/{id}/restore-settings"), "Вернуть прежние настройки", "Вернуть")
            .text("Прежние настройки станут новой версией, история сохранится.")
            .field(Field::hidden("version", install.settings_version))
            .field(Field::choice("to", "Версия", former).required());
    vec![change, restore]
}

/// Settings in lines, if that changes neither the digits of a number nor the order of the keys.
fn editable(stored: &str) -> String {
    let pretty = serde_json::from_str::<Value>(stored).and_then(|value| serde_json::to_string_pretty(&value));
    let is_same = |pretty: &String| JsonText::parse(pretty).is_ok_and(|text| text.as_str() == stored);
    pretty.ok().filter(is_same).unwrap_or_else(|| stored.to_owned())
}

fn versions_table(versions: &[SettingsVersion]) -> Table {
    let row = |version: &SettingsVersion| {
        Row::plain(vec![
            Cell::number(version.version),
            Cell::time(version.changed_at),
            Cell::text(version.changed_by.clone()),
            Cell::json(version.settings.as_str()),
        ])
    };
    Table::new(&["Версия", "Когда", "Кто", "Настройки"], versions.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::editable;

    #[test]
    fn settings_are_edited_in_lines_unless_that_changes_them() {
        assert_eq!(editable(r#"{"a":{"b":1}}"#), "{\n  \"a\": {\n    \"b\": 1\n  }\n}");
        for kept in [r#"{"id":12345678901234567890123}"#, r#"{"rate":1.10}"#] {
            assert_eq!(editable(kept), kept);
        }
    }
}
