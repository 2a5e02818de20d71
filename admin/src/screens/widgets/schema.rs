//! JSON Schemas of a widget's settings: the usual one, and those of single versions.

use flysk_domain::id::WidgetId;
use flysk_services::widgets::{SettingsSchema, check_widget_version};
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::{self, Changes, Widget};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Act, Fault, Operator, Record, Visit};
use crate::view::{Field, Form};

/// The form with the usual schema.
pub(super) fn form(widget: &Widget) -> Form {
    let schema = widget.settings_schema.as_ref();
    let schema = schema.and_then(|schema| serde_json::to_string_pretty(&schema.0).ok());
    Form::act(format!("/widgets/{}/schema", widget.id), "Изменить схему настроек", "Сохранить")
        .text("Сохранённые настройки не меняются: схема проверит следующее изменение.")
        .field(Field::text("widget_version", "Версия виджета").hint("Пусто: для всех версий без своей схемы"))
        .field(
            Field::lines("schema", "Схема, JSON Schema")
                .value(schema.unwrap_or_default())
                .hint("Пусто: убрать схему"),
        )
        .field(Field::hidden("seen", widget.updated_at.timestamp_micros()))
}

/// `POST /widgets/:id/schema`.
pub(crate) async fn update(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let schema = form.json("schema", "Схема")?;
    if let Some(schema) = &schema {
        SettingsSchema::check(schema)
            .map_err(|error| Fault::refused(format!("Схема не подходит: {error}.")))?;
    }
    let seen: Option<i64> = form.parsed("seen", "seen")?;
    let version = form.get("widget_version");
    if let Some(version) = version {
        check_widget_version(version)
            .map_err(|_| Fault::refused("Версия: как 1.4.0, до 32 латинских букв, цифр и «.», «_», «-»."))?;
    }
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        if seen != Some(widget.updated_at.timestamp_micros()) {
            return Err(Fault::conflict(
                "Виджет изменили, пока форма была открыта. Откройте его страницу заново.",
            ));
        }
        let before = write(&mut act, &widget, version, schema.as_ref()).await?;
        act.commit(Record {
            action: "widget.change_schema",
            subject: ("widget", id.to_string()),
            reason,
            before: json!({ "version": version, "schema": before }),
            after: json!({ "version": version, "schema": schema }),
        })
        .await
    };
    repeat_contended(run).await?;
    let notice = if schema.is_some() { "Схема сохранена." } else { "Схема убрана." };
    Ok(visit.done(&format!("/widgets/{id}"), notice))
}

/// Writes a schema, or removes it; returns the former one.
async fn write(
    act: &mut Act<'_, Operator>,
    widget: &Widget,
    version: Option<&str>,
    schema: Option<&Value>,
) -> Result<Option<Value>, Fault> {
    let now = act.now();
    let Some(version) = version else {
        let changes = Changes { settings_schema: Some(schema.cloned()), ..Changes::default() };
        widgets::update_as_read(act, widget, &changes, now).await?;
        return Ok(widget.settings_schema.as_ref().map(|schema| schema.0.clone()));
    };
    let former = widget_schemas::find(act, widget.id, version).await?;
    match schema {
        Some(schema) => widget_schemas::put(act, widget.id, version, schema, now).await?,
        None if former.is_none() => return Err(Fault::conflict("У этой версии своей схемы нет.")),
        None => widget_schemas::remove(act, widget.id, version).await?,
    }
    Ok(former)
}
