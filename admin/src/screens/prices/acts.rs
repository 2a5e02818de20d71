//! Setting prices of services.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::Tariff;
use flysk_domain::platform::subscriptions::day_start;
use flysk_services::prices::{SetPriceError, set_price};
use flysk_store::platform::ledger::{self, PriceVersion};
use flysk_store::{StoreError, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::seen::{SEEN_FIELD, has_changed, seen_versions};
use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::view::{Field, Form};

/// The latest version of each service that the page showed.
pub(crate) fn seen_field(versions: &[PriceVersion]) -> Field {
    let mut latest = BTreeMap::new();
    for PriceVersion { rule, .. } in versions {
        let version = latest.entry(rule.service.as_str()).or_insert(rule.version);
        *version = rule.version.max(*version);
    }
    Field::hidden(SEEN_FIELD, seen_versions(latest))
}

/// Refuses a price of a service that has another latest version than the form knew.
pub(crate) fn check_seen(form: &Pairs, service: &Service, versions: &[PriceVersion]) -> Result<(), Fault> {
    let of_service = versions.iter().filter(|version| version.rule.service == *service);
    let latest = of_service.map(|version| version.rule.version).max().map(|version| version.to_string());
    if has_changed(form, service.as_str(), latest.as_deref()) {
        return Err(changed_meanwhile());
    }
    Ok(())
}

fn changed_meanwhile() -> Fault {
    Fault::conflict("Цену этой услуги тем временем изменил кто-то другой. Откройте страницу цен заново.")
}

/// The form for a new price of the service that fields name.
pub(crate) fn form_at(action: &'static str, service: Vec<Field>) -> Form {
    Form::act(action, "Новая цена", "Сохранить")
        .text("Прежние версии сохраняются: по ним уже списаны деньги.")
        .fields(service)
        .field(
            Field::choice("unit", "Единица", [("minute", "за минуту, по секундам"), ("piece", "за штуку")])
                .required(),
        )
        .field(Field::text("rate", "Цена, Flycoins").required())
        .field(Field::number("at_least", "Не меньше секунд").hint("Только для цены за минуту"))
        .field(Field::date("from", "Действует с").hint("Пусто: сразу. Иначе с полуночи по Москве"))
}

/// `POST /prices/set`.
pub(crate) async fn set(visit: Visit<Billing>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let service: Service = form.required("service", "Услуга")?.parse().map_err(|_| {
        Fault::refused("Услуга: код виджета, точка и название, например flysense.recognition.")
    })?;
    let (tariff, from) = (tariff_of(form)?, start_of(form)?);
    let reason = visit.reason()?;
    let run = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        let versions = ledger::list_price_versions(&mut act).await?;
        check_seen(form, &service, &versions)?;
        let before =
            versions.iter().rfind(|version| version.rule.service == service && version.valid_from <= now);
        let before = before.map_or(Value::Null, |version| json!(version.rule));
        let valid_from = from.unwrap_or(now);
        let rule = set_price(&mut act, &service, tariff, valid_from, now).await.map_err(to_fault)?;
        act.commit(Record {
            action: "price.set",
            subject: ("price", format!("{} v{}", rule.service.as_str(), rule.version)),
            reason,
            before,
            after: json!({ "rule": rule, "valid_from": valid_from }),
        })
        .await?;
        Ok::<_, Fault>(rule.version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done("/prices", &format!("Цена {} сохранена, версия {version}.", service.as_str())))
}

/// The tariff in a form.
pub(crate) fn tariff_of(form: &Pairs) -> Result<Tariff, Fault> {
    let rate: MicroCoins = form
        .required("rate", "Цена, Flycoins")?
        .replace(',', ".")
        .parse()
        .map_err(|_| Fault::refused("Цена: число, например 2.5."))?;
    let at_least_s: Option<u64> = form.parsed("at_least", "Не меньше секунд")?;
    match form.required("unit", "Единица")? {
        "minute" => Ok(Tariff::PerMinute { rate, at_least_s: at_least_s.unwrap_or_default() }),
        "piece" if at_least_s.is_none() => Ok(Tariff::PerPiece { rate }),
        _ => Err(Fault::refused("Минимум секунд бывает только у цены за минуту.")),
    }
}

/// The start of a price in a form; `None` for at once.
pub(crate) fn start_of(form: &Pairs) -> Result<Option<DateTime<Utc>>, Fault> {
    let day: Option<NaiveDate> = form.day("from", "Действует с")?;
    Ok(day.map(day_start))
}

/// Why a price is not set, in Russian.
pub(crate) fn to_fault(error: SetPriceError) -> Fault {
    match error {
        SetPriceError::Rate => Fault::refused("Цена должна быть больше нуля."),
        SetPriceError::Minimum => Fault::refused("Минимум: не больше 3600 секунд."),
        SetPriceError::Past => {
            Fault::refused("Цена не может начаться в прошлом: по прежней уже списаны деньги.")
        }
        SetPriceError::TooLate => Fault::refused("Цена должна начаться в ближайшие пять лет."),
        SetPriceError::Service => {
            Fault::refused("Услуга: код виджета, точка и название, например flysense.recognition.")
        }
        SetPriceError::UnknownWidget(code) => Fault::refused(format!("Виджета «{code}» нет.")),
        // Two people set the price at once: the second one is told so.
        SetPriceError::Store(StoreError::Duplicate { .. }) => changed_meanwhile(),
        SetPriceError::Store(error) => error.into(),
    }
}
