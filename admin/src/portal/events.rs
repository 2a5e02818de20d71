//! One event of a vendor's widget: what is sent, the attempts to deliver it with their answers, and another delivery.

use chrono::SecondsFormat;
use flysk_domain::TextEnum as _;
use flysk_domain::id::EventId;
use flysk_services::events::{data_for_backend, deliver_again};
use flysk_store::platform::attempts;
use flysk_store::platform::events::{Event, EventState};
use flysk_store::portal::{deliveries, widgets};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Fault, Record, SignedIn, VendorVisit};
use crate::screens::events::attempts_table;
use crate::view::{Cell, DetailPage, Form, Labeled as _, Section, labels};

/// `GET /portal/events/:id`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let id: EventId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let event = deliveries::find_event(&mut conn, visit.who.vendor, id).await?.ok_or(Fault::NotFound)?;
    let widget = widgets::find(&mut conn, visit.who.vendor, event.widget_id).await?.ok_or(Fault::NotFound)?;
    let tried = attempts::list(&mut conn, id).await?;
    let mut page = DetailPage::new(visit.layout(format!("Событие: {}", labels::event(event.kind))));
    page.state = Some(event.state.cell());
    page.links = vec![Cell::link(format!("/portal/deliveries?widget={}", event.widget_id), "Все доставки")];
    page.facts = vec![
        ("Id", Cell::code(event.id)),
        ("Код", Cell::code(event.kind.as_str())),
        ("Когда", Cell::time(event.happened_at)),
        ("Порядковый номер у виджета", Cell::number(event.number)),
        ("Порядковый номер у установки", Cell::number(event.sequence)),
        ("Аккаунт", Cell::code(event.account_id)),
        ("Домен", Cell::text(event.host.clone())),
        ("Установка", Cell::code(event.install_id)),
        ("Виджет", Cell::link(format!("/portal/widgets/{}", event.widget_id), &widget.name)),
        ("Адрес", Cell::maybe(widget.event_url_of(event.kind).map(str::to_owned))),
    ];
    page.acts = vec![
        Form::act(format!("/portal/events/{id}/replay"), "Доставить ещё раз", "Доставить")
            .text("Бэкенд получит то же событие с тем же id и номером, начиная с первой попытки. Ждущее отправится сейчас.")
            .without_reason(),
    ];
    page.sections = vec![Section::new("Попытки доставки", attempts_table(&tried), "Попыток ещё не было.")];
    page.blocks = vec![("Тело запроса", Cell::json(&body(&event)?.to_string()))];
    visit.page(&page)
}

/// The body as the backend gets it, but for links that are permissions: they are composed for the backend alone.
fn body(event: &Event) -> Result<Value, Fault> {
    let data = data_for_backend(event, None).map_err(Fault::internal)?;
    Ok(json!({
        "id": event.id,
        "type": event.kind.as_str(),
        "account_id": event.account_id,
        "subdomain": event.host.split('.').next().unwrap_or_default(),
        "base_domain": event.host,
        "install_id": event.install_id,
        "sequence": event.sequence,
        "number": event.number,
        "time": event.happened_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": data,
    }))
}

/// `POST /portal/events/:id/replay`.
pub(super) async fn replay(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let id: EventId = visit.request.id()?;
    let run = || async {
        let mut act = visit.begin().await?;
        let event = deliveries::find_event(&mut act, visit.who.vendor, id).await?.ok_or(Fault::NotFound)?;
        deliver_again(act.unit(), &event).await?;
        act.commit(Record {
            action: "event.replay",
            subject: ("event", id.to_string()),
            reason: "",
            before: json!({ "state": event.state.as_str(), "attempts": event.attempts }),
            after: json!({ "state": EventState::Waiting.as_str() }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/portal/events/{id}"), "Событие будет доставлено заново."))
}
