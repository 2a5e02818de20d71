//! Events for vendors' backends: list, the page of one event with its attempts, replay.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::BulkAction;
use flysk_domain::id::EventId;
use flysk_domain::platform::events::EventKind;
use flysk_domain::platform::subscriptions::day_start;
use flysk_services::events::deliver_again;
use flysk_store::admin::lists::events::{self as listed, EventFilter};
use flysk_store::platform::attempts::{self, Attempt};
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::{Conn, StoreResult, repeat_contended};
use poem::Response;
use serde_json::json;

use crate::http::{Fault, Pairs, Record, Support, Visit};
use crate::lists::{Keyset, List};
use crate::view::{Cell, DetailPage, Field, Form, Labeled, Row, Section, Table, delivery_error, labels};

/// States for a filter.
const STATES: [EventState; 5] = [
    EventState::Waiting,
    EventState::Failed,
    EventState::Delivered,
    EventState::Refused,
    EventState::Unaddressed,
];

/// The list of events.
pub(crate) struct Events;

impl List for Events {
    type Filter = EventFilter;
    type Record = Event;

    const TITLE: &'static str = "События";
    const PATH: &'static str = "/events";
    const HEAD: &'static [&'static str] =
        &["Когда", "Событие", "Состояние", "Попытки", "Аккаунт", "Установка"];
    const EMPTY: &'static str = "Таких событий нет.";

    const BULK: &'static [BulkAction] = &[BulkAction::EventReplay];

    fn filter(query: &Pairs) -> Result<EventFilter, Fault> {
        let until = query.day("until", "Созданы по")?.and_then(|day| day.succ_opt());
        Ok(EventFilter {
            state: query.parsed("state", "Состояние")?,
            kind: query.parsed("kind", "Событие")?,
            widget_id: query.parsed("widget", "Виджет")?,
            install_id: query.parsed("install", "Установка")?,
            created_from: query.day("from", "Созданы с")?.map(day_start),
            created_until: until.map(day_start),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::filter(
                "kind",
                "Событие",
                EventKind::ALL.iter().map(|kind| (kind.as_str(), labels::event(*kind))),
            )
            .value(value("kind")),
            Field::text("install", "Установка").value(value("install")).hint("ins_…"),
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
            Field::date("from", "Созданы с").value(value("from")),
            Field::date("until", "Созданы по").value(value("until")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        EventId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &EventFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Event>> {
        listed::rows(conn, ids).await
    }

    fn id(event: &Event) -> Option<String> {
        Some(event.id.to_string())
    }

    fn row(event: &Event) -> Row {
        let href = format!("/events/{}", event.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(event.happened_at),
                Cell::link(href, labels::event(event.kind)),
                event.state.cell(),
                Cell::number(event.attempts),
                Cell::link(format!("/accounts/{}", event.account_id), event.account_id),
                Cell::link(format!("/installs/{}", event.install_id), event.install_id),
            ],
        )
    }
}

/// `GET /events/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: EventId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let event = events::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let tried = attempts::list(&mut conn, id).await?;
    let mut page = DetailPage::new(visit.layout(format!("Событие: {}", labels::event(event.kind))));
    page.state = Some(event.state.cell());
    page.facts = vec![
        ("Id", Cell::code(event.id)),
        ("Код", Cell::code(event.kind.as_str())),
        ("Когда", Cell::time(event.happened_at)),
        ("Порядковый номер у виджета", Cell::number(event.number)),
        ("Порядковый номер у установки", Cell::number(event.sequence)),
        ("Аккаунт", Cell::link(format!("/accounts/{}", event.account_id), event.account_id)),
        ("Домен", Cell::text(event.host.clone())),
        ("Установка", Cell::link(format!("/installs/{}", event.install_id), event.install_id)),
        ("Виджет", Cell::link(format!("/widgets/{}", event.widget_id), event.widget_id)),
    ];
    page.acts = vec![
        Form::act(format!("/events/{id}/replay"), "Доставить ещё раз", "Доставить")
            .text("Бэкенд получит то же событие с тем же id и номером, начиная с первой попытки. Ждущее отправится сейчас."),
    ];
    page.sections = vec![Section::new("Попытки доставки", attempts_table(&tried), "Попыток ещё не было.")];
    visit.page(&page)
}

/// The attempts to deliver an event.
pub(crate) fn attempts_table(tried: &[Attempt]) -> Table {
    let row = |attempt: &Attempt| {
        Row::plain(vec![
            Cell::number(attempt.attempt),
            Cell::time(attempt.started_at),
            Cell::duration_ms(Some(attempt.took_ms.into())),
            attempt.status.map_or(Cell::Empty, |status| Cell::Text(status.to_string())),
            Cell::maybe(attempt.error.as_deref().map(delivery_error)),
            attempt.answer_head.clone().filter(|head| !head.is_empty()).map_or(Cell::Empty, Cell::Block),
        ])
    };
    Table::new(
        &["Попытка", "Начата", "Длительность", "Статус", "Ошибка", "Начало ответа"],
        tried.iter().map(row).collect(),
    )
}

/// `POST /events/:id/replay`.
pub(crate) async fn replay(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (EventId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let event = events::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        deliver_again(act.unit(), &event).await?;
        act.commit(Record {
            action: "event.replay",
            subject: ("event", id.to_string()),
            reason,
            before: json!({ "state": event.state.as_str(), "attempts": event.attempts }),
            after: json!({ "state": EventState::Waiting.as_str() }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/events/{id}"), "Событие будет доставлено заново."))
}
