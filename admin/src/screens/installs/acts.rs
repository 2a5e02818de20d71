//! Switching a widget on and off in an account, its settings, and links to connect it again.

use flysk_domain::TextEnum as _;
use flysk_domain::id::InstallId;
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_services::installs::{
    self as install_service, ChangeSettingsError, SettingsChange, connect_link, record_fact_locked,
};
use flysk_store::platform::{installs, settings_history, widgets};
use flysk_store::{JsonText, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Fault, Operator, Record, Support, Visit};
use crate::view::{Cell, DetailPage, Labeled as _, format};

/// `POST /installs/:id/switch-on`.
pub(crate) async fn switch_on(visit: Visit<Operator>) -> Result<Response, Fault> {
    switch(visit, Fact::SwitchedOn, "install.switch_on").await
}

/// `POST /installs/:id/switch-off`.
pub(crate) async fn switch_off(visit: Visit<Operator>) -> Result<Response, Fault> {
    switch(visit, Fact::SwitchedOff, "install.switch_off").await
}

async fn switch(visit: Visit<Operator>, fact: Fact, action: &str) -> Result<Response, Fault> {
    let (id, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let install = installs::lock(&mut act, id).await?.ok_or(Fault::NotFound)?;
        if install.status == InstallStatus::Uninstalled {
            return Err(Fault::conflict("Интеграция удалена в аккаунте: включать и выключать нечего."));
        }
        let (clock, now) = (visit.deps.clock(), act.now());
        let status = record_fact_locked(act.unit(), clock, &install, fact, now).await?;
        act.commit(Record {
            action,
            subject: ("install", id.to_string()),
            reason,
            before: json!({ "status": install.status.as_str() }),
            after: json!({ "status": status.as_str() }),
        })
        .await?;
        Ok::<_, Fault>(status)
    };
    let status = repeat_contended(run).await?;
    Ok(visit.done(&format!("/installs/{id}"), &format!("Готово, установка {}.", status.label())))
}

/// `POST /installs/:id/reconnect`: shows the link once. Who has it can only grant access to this very account.
pub(crate) async fn reconnect_link(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let install = installs::find(&mut *visit.deps.read().await?, id).await?.ok_or(Fault::NotFound)?;
    let (public_url, now) = (&visit.deps.config.http.public_url, visit.deps.clock().now());
    let link =
        connect_link(public_url, &visit.deps.keyring, install.widget_id, install.account_id, None, now)
            .ok_or_else(|| Fault::internal("cannot seal a connect link"))?;
    let write = || async {
        visit
            .begin()
            .await?
            .commit(Record {
                action: "install.reconnect_link",
                subject: ("install", id.to_string()),
                reason,
                before: Value::Null,
                after: Value::Null,
            })
            .await
    };
    repeat_contended(write).await?;
    let mut page = DetailPage::new(visit.layout("Ссылка для переподключения"));
    page.links = vec![Cell::link(format!("/installs/{id}"), "К установке")];
    page.blocks = vec![("Отправьте администратору аккаунта. Действует 12 часов", Cell::Code(link))];
    visit.page(&page)
}

/// `POST /installs/:id/settings`: all settings anew.
pub(crate) async fn change_settings(visit: Visit<Operator>) -> Result<Response, Fault> {
    let text = visit.request.form.required("settings", "Настройки")?;
    let settings = JsonText::parse(text).map_err(|error| Fault::not_json("Настройки", &error))?;
    write_settings(&visit, settings, "install.change_settings").await
}

/// `POST /installs/:id/restore-settings`: an earlier version becomes the newest.
pub(crate) async fn restore_settings(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, form): (InstallId, _) = (visit.request.id()?, &visit.request.form);
    let to: u32 = form.parsed("to", "Версия")?.ok_or_else(|| Fault::refused("Заполните поле «Версия»."))?;
    let former = match to {
        // Version 0 is the state before the first change.
        0 => Some(JsonText::empty_object()),
        to => settings_history::find(&mut *visit.deps.read().await?, id, to).await?.map(|row| row.settings),
    };
    let settings = former.ok_or_else(|| Fault::refused(format!("Версии {to} у этой установки нет.")))?;
    write_settings(&visit, settings, "install.restore_settings").await
}

async fn write_settings(
    visit: &Visit<Operator>,
    settings: JsonText,
    action: &str,
) -> Result<Response, Fault> {
    let (id, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let from: Option<u32> = visit.request.form.parsed("version", "Версия настроек")?;
    // Vendors see the author: only the audit log names the operator.
    let change =
        SettingsChange { from: from.unwrap_or_default(), settings, widget_version: None, by: "operator" };
    let run = || async {
        let mut act = visit.begin().await?;
        let install = installs::lock(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let widget = widgets::find(&mut act, install.widget_id).await?.ok_or(Fault::NotFound)?;
        let clock = visit.deps.clock();
        let version = install_service::change_settings(act.unit(), clock, &widget, &install, &change)
            .await
            .map_err(settings_refused)?;
        act.commit(Record {
            action,
            subject: ("install", id.to_string()),
            reason,
            before: json!({ "version": install.settings_version, "settings": audit_value(&install.settings) }),
            after: json!({ "version": version, "settings": audit_value(&change.settings) }),
        })
        .await?;
        Ok::<_, Fault>(version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done(&format!("/installs/{id}"), &format!("Настройки сохранены, версия {version}.")))
}

/// Settings for the audit log: the full text stays in the history.
fn audit_value(settings: &JsonText) -> Value {
    settings.to_value().unwrap_or_else(|_| json!(settings.as_str()))
}

fn settings_refused(error: ChangeSettingsError) -> Fault {
    match error {
        ChangeSettingsError::Uninstalled => {
            Fault::conflict("Интеграция удалена в аккаунте: настройки не меняются.")
        }
        ChangeSettingsError::Invalid(why) => Fault::refused(format!("Настройки не подходят виджету: {why}.")),
        ChangeSettingsError::BrokenSchema(why) => {
            Fault::refused(format!("Схема настроек виджета испорчена, исправьте её сначала: {why}."))
        }
        ChangeSettingsError::VersionConflict(_) => {
            Fault::conflict("Настройки изменили, пока форма была открыта. Откройте установку заново.")
        }
        ChangeSettingsError::TooOften(again_at) => Fault::refused(format!(
            "Настройки меняли слишком часто: следующая версия возможна после {}.",
            format::moscow(again_at)
        )),
        ChangeSettingsError::Store(error) => error.into(),
    }
}
