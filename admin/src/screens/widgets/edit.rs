//! Editing the parameters of a widget.

use flysk_domain::id::WidgetId;
use flysk_domain::platform::billing::{BillingSettings, InvalidBilling};
use flysk_domain::platform::subscriptions::InvalidSettings;
use flysk_services::subscriptions::{begin_sale, list_losing_access};
use flysk_services::widgets::{EventUrlError, check_event_url, check_redirect_uri};
use flysk_store::platform::widgets::{self, Changes, Widget};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};
use url::Url;

use super::register::REDIRECT_URI_RULE;
use super::seats;
use crate::deps::Deps;
use crate::http::{Fault, Operator, Record, Visit};
use crate::view::{Field, Form};

/// Maximum length of a name, in characters.
pub(crate) const MAX_NAME_LEN: usize = 200;
/// Maximum length of a URL, in bytes.
const MAX_URL_LEN: usize = 1_000;

/// The form with the current parameters.
pub(super) fn form(widget: &Widget) -> Form {
    let flag = |set: bool| if set { "yes" } else { "" };
    let stored = widget.billing.as_ref().map(|billing| &billing.0);
    let billing = stored.and_then(seats::without_fields);
    let billing = billing.and_then(|billing| serde_json::to_string_pretty(&billing).ok());
    Form::act(format!("/widgets/{}/update", widget.id), "Изменить параметры", "Сохранить")
        .field(Field::text("name", "Название").value(&widget.name).required())
        .field(Field::text("redirect_uri", "Redirect URI").value(&widget.redirect_uri).required())
        .field(
            Field::text("event_url", "Адрес событий")
                .value(widget.event_url.as_deref().unwrap_or_default())
                .hint("https://…; пусто: события не отправляются"),
        )
        .field(Field::number("trial_days", "Пробных дней").value(widget.trial_days).required())
        .field(Field::check("uses_flycoins", "Оплата в Flycoins").value(flag(widget.uses_flycoins)))
        .field(Field::check("uses_subscriptions", "Оплата подпиской").value(flag(widget.uses_subscriptions)))
        .field(
            Field::number("losing", "Аккаунтов потеряют доступ")
                .hint("Только при включении подписок: столько, сколько назовёт отказ"),
        )
        .fields(seats::fields(stored))
        .field(
            Field::lines("billing", "Биллинг, JSON")
                .value(billing.unwrap_or_default())
                .hint("Пусто: без настроек"),
        )
        .field(Field::hidden("seen", widget.updated_at.timestamp_micros()))
}

/// `POST /widgets/:id/update`.
pub(crate) async fn update(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let seen: Option<i64> = visit.request.form.parsed("seen", "seen")?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        if seen != Some(widget.updated_at.timestamp_micros()) {
            return Err(Fault::conflict(
                "Виджет изменили, пока форма была открыта. Откройте его страницу заново.",
            ));
        }
        let changes = changes(&visit, &widget)?;
        let sells_now = !widget.uses_subscriptions && changes.uses_subscriptions == Some(true);
        if sells_now {
            confirm_losses(&visit, &mut act, &widget, changes.trial_days).await?;
        }
        let now = act.now();
        widgets::update_as_read(&mut act, &widget, &changes, now).await?;
        let after = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        act.commit(Record {
            action: "widget.update",
            subject: ("widget", id.to_string()),
            reason,
            before: state_of(&widget),
            after: state_of(&after),
        })
        .await?;
        Ok::<_, Fault>(sells_now.then_some(after))
    };
    if let Some(widget) = repeat_contended(run).await? {
        begin_sale(&visit.deps.outbox, &visit.request.trace, &widget).await?;
    }
    Ok(visit.done(&format!("/widgets/{id}"), "Параметры сохранены."))
}

/// Accounts whose trial is over lose access when a widget begins to sell subscriptions. The operator names their number, so
/// that nobody switches it on by mistake.
async fn confirm_losses(
    visit: &Visit<Operator>,
    conn: &mut Conn,
    widget: &Widget,
    trial_days: Option<u16>,
) -> Result<(), Fault> {
    let now = visit.deps.clock().now();
    let days = trial_days.unwrap_or(widget.trial_days);
    let losing = list_losing_access(conn, widget, days, now).await?.len();
    let named: Option<usize> = visit.request.form.parsed("losing", "Аккаунтов потеряют доступ")?;
    if losing == 0 || named == Some(losing) {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "Подписки включат оплату для всех установок: {losing} аккаунтов потеряют доступ в конце пробного периода. Чтобы \
         подтвердить, введите это число в поле «Аккаунтов потеряют доступ»."
    )))
}

fn changes(visit: &Visit<Operator>, widget: &Widget) -> Result<Changes, Fault> {
    let form = &visit.request.form;
    let name = form.required("name", "Название")?;
    if name.chars().count() > MAX_NAME_LEN {
        return Err(Fault::refused("Название длиннее 200 знаков."));
    }
    let redirect_uri = form.required("redirect_uri", "Redirect URI")?;
    check_redirect_uri(redirect_uri, &widget.code).map_err(|_| Fault::refused(REDIRECT_URI_RULE))?;
    let event_url = form.get("event_url");
    if let Some(url) = event_url {
        check_url(&visit.deps, url)?;
    }
    let billing = seats::with_fields(form, form.json("billing", "Биллинг")?)?;
    if let Some(billing) = &billing {
        BillingSettings::read(billing, &widget.code).map_err(invalid_billing)?;
    }
    let trial_days: Option<u16> = form.parsed("trial_days", "Пробных дней")?;
    Ok(Changes {
        name: Some(name.to_owned()),
        redirect_uri: Some(redirect_uri.to_owned()),
        event_url: Some(event_url.map(str::to_owned)),
        uses_flycoins: Some(form.is_set("uses_flycoins")),
        uses_subscriptions: Some(form.is_set("uses_subscriptions")),
        billing: Some(billing),
        trial_days,
        ..Changes::default()
    })
}

/// Why billing settings are invalid, in Russian.
fn invalid_billing(invalid: InvalidBilling) -> Fault {
    let why = match invalid {
        InvalidBilling::Shape(error) => shape(&error),
        InvalidBilling::BonusAmount => {
            "welcome_bonus.amount_micro больше нуля и не больше 1 000 000 Flycoins, в миллионных долях; без бонуса не пишите \
             welcome_bonus"
                .to_owned()
        }
        InvalidBilling::BonusDays => {
            "welcome_bonus.lives_days от 1 до 1825; если монеты не сгорают, не пишите его".to_owned()
        }
        InvalidBilling::Subscriptions(InvalidSettings::Grace) => {
            "subscriptions.grace_days от 0 до 60".to_owned()
        }
        InvalidBilling::Subscriptions(InvalidSettings::ChargeDays) => {
            "subscriptions.charge_days: не больше 16 дней от 0 до 31 по возрастанию, первый 0".to_owned()
        }
        InvalidBilling::Subscriptions(InvalidSettings::SeatIdleDays) => {
            "дней без входа, после которых место свободно, от 1 до 366; если места не освобождаются сами, оставьте поле пустым"
                .to_owned()
        }
        InvalidBilling::LowBalance => {
            "low_balance_micro больше нуля и не больше 1 000 000 Flycoins, в миллионных долях; если событие не нужно, не \
             пишите его"
                .to_owned()
        }
        InvalidBilling::ForeignService { service, code } => {
            format!("forecast_service «{service}»: услуги этого виджета начинаются с «{code}.»")
        }
    };
    Fault::refused(format!("Биллинг: {why}."))
}

/// Text about billing settings of a wrong structure, by the English text of the parser.
fn shape(error: &str) -> String {
    let named = error.split('`').nth(1).unwrap_or_default();
    if error.starts_with("unknown field") {
        format!("поля «{named}» в настройках нет")
    } else if error.starts_with("missing field") {
        format!("не хватает поля «{named}»")
    } else if error.starts_with("duplicate field") {
        format!("поле «{named}» указано дважды")
    } else {
        "значение не того вида, сверьте вложенность и числа с описанием".to_owned()
    }
}

/// Refuses an address that events must not be sent to.
pub(crate) fn check_url(deps: &Deps, text: &str) -> Result<(), Fault> {
    if text.len() > MAX_URL_LEN || !text.is_ascii() {
        return Err(Fault::refused("Адрес событий: до 1000 знаков ASCII."));
    }
    let allow = &deps.config.outbound.allow;
    let is_open = |url: &Url| {
        let host = url.host_str().zip(url.port_or_known_default());
        host.is_some_and(|(host, port)| allow.contains(&format!("{host}:{port}")))
    };
    check_event_url(text, is_open).map_err(|error| match error {
        EventUrlError::NotAUrl(_) | EventUrlError::Scheme(_) => {
            Fault::refused("Адрес событий: полный адрес https.")
        }
        EventUrlError::Unencrypted(_) => {
            Fault::refused("Адрес событий: нужен https, иначе проектный токен уйдёт открытым текстом.")
        }
    })
}

/// The parameters for the audit log, without secrets.
fn state_of(widget: &Widget) -> Value {
    json!({
        "name": widget.name,
        "redirect_uri": widget.redirect_uri,
        "event_url": widget.event_url,
        "trial_days": widget.trial_days,
        "uses_flycoins": widget.uses_flycoins,
        "uses_subscriptions": widget.uses_subscriptions,
        "billing": widget.billing.as_ref().map(|billing| billing.0.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_billing_settings_is_told_in_russian() {
        for (billing, told) in [
            (json!([]), "не того вида"),
            (json!({"flycoins": 7}), "не того вида"),
            (json!({"flycoin": {}}), "поля «flycoin» в настройках нет"),
            (json!({"flycoins": {"welcome_bonus": {}}}), "не хватает поля «amount_micro»"),
            (json!({"flycoins": {"forecast_service": "other.x"}}), "forecast_service «other.x»"),
            (json!({"subscriptions": {"grace_days": 61}}), "grace_days от 0 до 60"),
            (json!({"subscriptions": {"seat_idle_days": 0}}), "место свободно, от 1 до 366"),
        ] {
            let invalid = BillingSettings::read(&billing, "flysense").unwrap_err();
            let text = invalid_billing(invalid).to_string();
            assert!(text.starts_with("Биллинг: ") && text.contains(told), "{billing}: {text}");
        }
    }
}
