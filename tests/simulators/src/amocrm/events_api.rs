//! `/events`: the account's history. The simulator records calls only (amoCRM docs,
//! crm_platform/events-and-notes).

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, handler};
use serde_json::{Value, json};

use super::Amocrm;
use super::guard::Caller;
use super::model::Event;
use super::problem::{HandlerResult, Problem, hal};
use super::query::{Query, hal_list};
use crate::lock::locked;

/// Events filtered by type, time, author and entity; newest first.
#[handler]
pub(crate) fn list(
    request: &Request,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let query = Query::of(request.uri());
    query.allow_filters(&["id", "type", "created_at", "created_by", "entity", "entity_id"])?;
    let page = query.page(100)?;
    let types = query.many("filter[type]");
    let entities = query.many("filter[entity]");
    if !query.many("filter[entity_id]").is_empty() && entities.len() != 1 {
        return Err(Problem::invalid("NotSupportedChoice", "filter[entity_id]", "Needs one filter[entity]."));
    }
    let entity_ids = query.numbers("filter[entity_id]")?;
    let authors = query.numbers("filter[created_by]")?;
    let ids = query.many("filter[id]");
    let (from, to) = query.range("filter[created_at]")?;
    let mut state = locked(&amo.inner.state);
    let mut events: Vec<&Event> = state
        .content(caller.account_id)
        .events
        .iter()
        .filter(|event| types.is_empty() || types.contains(&event.kind))
        .filter(|event| entities.is_empty() || entities.contains(&event.entity_type.singular()))
        .filter(|event| entity_ids.is_empty() || entity_ids.contains(&event.entity_id))
        .filter(|event| authors.is_empty() || authors.contains(&event.created_by))
        .filter(|event| ids.is_empty() || ids.contains(&event.id.as_str()))
        .filter(|event| (from..=to).contains(&u64::try_from(event.created_at).unwrap_or(0)))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse((event.created_at, event.note_id)));
    let events: Vec<Value> = events.into_iter().map(|event| event_json(event, caller)).collect();
    Ok(hal_list("events", &events, page, &caller.host, request.original_uri()))
}

/// One event. An unknown one is 404, as are other unknown objects of the API.
#[handler]
pub(crate) fn one(
    Path(id): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let mut state = locked(&amo.inner.state);
    let event = state.content(caller.account_id).events.iter().find(|event| event.id == id).cloned();
    let event = event.ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Event not found"))?;
    Ok(hal(&event_json(&event, caller)))
}

fn event_json(event: &Event, caller: &Caller) -> Value {
    json!({
        "id": event.id,
        "type": event.kind,
        "entity_id": event.entity_id,
        "entity_type": event.entity_type.singular(),
        "created_by": event.created_by,
        "created_at": event.created_at,
        "value_after": [{"note": {"id": event.note_id}}],
        "value_before": [],
        "account_id": caller.account_id,
    })
}
