//! Events of a widget: addresses by kind, chosen kinds, delays, the token beside signatures, and a test event.

use std::collections::BTreeMap;

use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, EventId, WidgetId};
use flysk_domain::platform::events::{EventKind, Test};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_services::events::{self, NewEvent};
use flysk_services::widgets::{
    DEFAULTS_KEYWORD, EventSettingsError, parse_delivery_delays, parse_event_kinds,
};
use flysk_store::platform::widgets::{self, Changes, Widget};
use flysk_store::platform::{initial_switch, install_list, installs};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use super::edit::check_url;
use crate::deps::Deps;
use crate::http::{Fault, Operator, Pairs, Record, Visit};
use crate::view::{Field, Form};

/// The form with the current settings, sent to the widget's page in `list`.
pub(crate) fn form(list: &str, widget: &Widget, starts_switched_off: bool) -> Form {
    let flag = |set: bool| if set { "yes" } else { "" };
    let urls: Vec<String> = widget
        .event_urls
        .iter()
        .flat_map(|urls| urls.0.iter().map(|(kind, url)| format!("{kind}={url}")))
        .collect();
    let kinds =
        widget.event_kinds.as_ref().map_or_else(|| DEFAULTS_KEYWORD.to_owned(), |kinds| kinds.0.join(", "));
    let delays = widget.delivery_delays.as_ref().map_or_else(
        || DEFAULTS_KEYWORD.to_owned(),
        |delays| delays.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    );
    Form::act(format!("{list}/{}/events", widget.id), "Настроить события", "Сохранить")
        .field(
            Field::lines("event_urls", "Адреса по видам")
                .value(urls.join("\n"))
                .hint("По строке: вид=https://…; остальные виды идут на общий адрес"),
        )
        .field(
            Field::text("event_kinds", "Виды событий")
                .value(kinds)
                .required()
                .hint("Через запятую; usual: install, activate, deactivate; all: все"),
        )
        .field(
            Field::text("delivery_delays", "Повторы доставки, секунд")
                .value(delays)
                .required()
                .hint("Через запятую, например 10, 60, 300; usual: обычные"),
        )
        .field(
            Field::check("events_carry_token", "Присылать проектный токен рядом с подписью")
                .value(flag(widget.events_carry_token)),
        )
        .field(
            Field::check("starts_switched_off", "Новые установки ждут включения бэкендом")
                .value(flag(starts_switched_off)),
        )
        .field(Field::hidden("seen", widget.updated_at.timestamp_micros()))
}

/// The form that sends a test event.
pub(crate) fn test_form(list: &str, id: WidgetId) -> Form {
    Form::act(format!("{list}/{id}/test-event"), "Отправить проверочное событие", "Отправить")
        .text("Событие вида test уйдёт на адрес виджета, подписанное как все. Откроется его страница с ответом бэкенда.")
        .field(
            Field::text("account", "Аккаунт").hint("Номер; пусто: последняя активная установка"),
        )
}

/// `POST /widgets/:id/events`.
pub(crate) async fn update(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let seen: Option<i64> = form.parsed("seen", "seen")?;
    let changes = changes_of(&visit.deps, form)?;
    let starts_switched_off = form.is_set("starts_switched_off");
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        if seen != Some(widget.updated_at.timestamp_micros()) {
            return Err(Fault::conflict(
                "Виджет изменили, пока форма была открыта. Откройте его страницу заново.",
            ));
        }
        let before = state_of(&widget, initial_switch::starts_switched_off(&mut act, id).await?);
        let now = act.now();
        widgets::update_as_read(&mut act, &widget, &changes, now).await?;
        initial_switch::set_starts_switched_off(&mut act, id, starts_switched_off, now).await?;
        let after = widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        act.commit(Record {
            action: "widget.update_events",
            subject: ("widget", id.to_string()),
            reason,
            before,
            after: state_of(&after, starts_switched_off),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/widgets/{id}"), "События настроены."))
}

/// The settings in a form.
pub(crate) fn changes_of(deps: &Deps, form: &Pairs) -> Result<Changes, Fault> {
    let kinds = parse_event_kinds(form.required("event_kinds", "Виды событий")?).map_err(to_fault)?;
    let delays = form.required("delivery_delays", "Повторы доставки, секунд")?;
    let urls = urls_of(deps, form)?;
    Ok(Changes {
        event_urls: Some(if urls.is_empty() { None } else { Some(urls) }),
        event_kinds: Some(kinds),
        delivery_delays: Some(parse_delivery_delays(delays).map_err(to_fault)?),
        events_carry_token: Some(form.is_set("events_carry_token")),
        ..Changes::default()
    })
}

fn urls_of(deps: &Deps, form: &Pairs) -> Result<BTreeMap<String, String>, Fault> {
    let mut urls = BTreeMap::new();
    let lines = form.get("event_urls").unwrap_or_default().lines();
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let (kind, url) = line
            .split_once('=')
            .ok_or_else(|| Fault::refused(format!("Адреса по видам: в строке «{line}» нет знака «=».")))?;
        let kind: EventKind = kind.trim().parse().map_err(|_| unknown_kind(kind.trim()))?;
        check_url(deps, url.trim())?;
        urls.insert(kind.as_str().to_owned(), url.trim().to_owned());
    }
    Ok(urls)
}

/// The settings for the audit log.
pub(crate) fn state_of(widget: &Widget, starts_switched_off: bool) -> Value {
    json!({
        "event_urls": widget.event_urls.as_ref().map(|urls| urls.0.clone()),
        "event_kinds": widget.event_kinds.as_ref().map(|kinds| kinds.0.clone()),
        "delivery_delays_s": widget.delivery_delays.as_ref().map(|delays| delays.0.clone()),
        "events_carry_token": widget.events_carry_token,
        "starts_switched_off": starts_switched_off,
    })
}

fn unknown_kind(kind: &str) -> Fault {
    let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    Fault::refused(format!("Вида событий «{kind}» нет. Есть: {}.", known.join(", ")))
}

/// Why settings of events are refused, in Russian.
fn to_fault(error: EventSettingsError) -> Fault {
    match error {
        EventSettingsError::UnknownKind(unknown) => unknown_kind(&unknown.text),
        EventSettingsError::NotOptional(kind) => {
            Fault::refused(format!("Событие «{kind}» получают все, выбирать его не нужно."))
        }
        EventSettingsError::NotNumbers => Fault::refused("Повторы: целые секунды через запятую."),
        EventSettingsError::TooManyDelays => Fault::refused("Повторов слишком много."),
        EventSettingsError::DelayRange => {
            Fault::refused("Повторы: от 1 секунды до предела, нули не подходят.")
        }
        EventSettingsError::Version(text) => Fault::refused(format!("«{text}» не похоже на версию 1.4.0.")),
    }
}

/// `POST /widgets/:id/test-event`: the event of an install, as its vendor would request it.
pub(crate) async fn send_test(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (WidgetId, _) = (visit.request.id()?, visit.reason()?);
    let account: Option<AccountId> = visit.request.form.parsed("account", "Аккаунт")?;
    let run = || async {
        let mut act = visit.begin().await?;
        widgets::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let install = install_of(&mut act, id, account).await?;
        let (clock, now) = (visit.deps.clock(), act.now());
        let test = NewEvent::new(EventKind::Test, &Test::default())?;
        let sent: Vec<EventId> = events::emit(act.unit(), clock, install, &[test], now).await?;
        let event = sent.first().copied().ok_or_else(|| Fault::internal("no test event was recorded"))?;
        act.commit(Record {
            action: "widget.test_event",
            subject: ("widget", id.to_string()),
            reason,
            before: Value::Null,
            after: json!({ "event": event, "install": install }),
        })
        .await?;
        Ok::<_, Fault>(event)
    };
    let event = repeat_contended(run).await?;
    Ok(visit
        .done(&format!("/events/{event}"), "Событие отправляется. Обновите страницу через несколько секунд."))
}

/// The install that a test event is about: that of the named account, or the newest active one.
pub(crate) async fn install_of(
    conn: &mut Conn,
    widget: WidgetId,
    account: Option<AccountId>,
) -> Result<flysk_domain::id::InstallId, Fault> {
    if let Some(account) = account {
        let found = installs::find_in_account(conn, widget, account).await?;
        let found = found.ok_or_else(|| Fault::refused("В этом аккаунте виджет не установлен."))?;
        return Ok(found.id);
    }
    let newest = install_list::find_newest(conn, widget, InstallStatus::Active).await?;
    newest.ok_or_else(|| Fault::conflict("Виджет не активен ни в одном аккаунте: назовите аккаунт."))
}
