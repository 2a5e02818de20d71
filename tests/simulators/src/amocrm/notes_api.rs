//! Reading notes (amoCRM docs, crm_platform/events-and-notes).

use poem::http::{StatusCode, Uri};
use poem::web::{Data, Path};
use poem::{Request, handler};
use serde_json::{Value, json};

use super::Amocrm;
use super::guard::Caller;
use super::model::{EntityType, Note};
use super::problem::{HandlerResult, Problem, hal};
use super::query::{Query, hal_list};
use crate::lock::locked;

/// Entity type in a path; 404 for others.
pub(crate) fn entity_type(plural: &str) -> Result<EntityType, Problem> {
    EntityType::ALL
        .into_iter()
        .find(|known| known.plural() == plural)
        .ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Not found"))
}

/// JSON of a note with its link, as in lists and single reads.
fn note_json(note: &Note, host: &str) -> Value {
    let href =
        format!("https://{host}/api/v4/{}/{}/notes/{}", note.entity_type.plural(), note.entity_id, note.id);
    let mut body = json!(note);
    body["_links"] = json!({"self": {"href": href}});
    body
}

/// Lists notes of all entities of a type.
#[handler]
pub(crate) fn list(
    request: &Request,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let query = Query::of(request.uri());
    query.allow_filters(&["id", "entity_id", "note_type", "updated_at"])?;
    let entities = query.numbers("filter[entity_id]")?;
    filtered(amo, caller, &query, request.original_uri(), entity_type(&entity)?, |note| {
        entities.is_empty() || entities.contains(&note.entity_id)
    })
}

/// Lists notes of one entity.
#[handler]
pub(crate) fn list_of_entity(
    request: &Request,
    Path((entity, entity_id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let query = Query::of(request.uri());
    query.allow_filters(&["id", "note_type", "updated_at"])?;
    filtered(amo, caller, &query, request.original_uri(), entity_type(&entity)?, |note| {
        note.entity_id == entity_id
    })
}

/// Reads one note.
#[handler]
pub(crate) fn one(
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = entity_type(&entity)?;
    find(amo, caller, |note| note.entity_type == of && note.id == id)
}

/// Reads one note of one entity.
#[handler]
pub(crate) fn one_of_entity(
    Path((entity, entity_id, id)): Path<(String, u64, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = entity_type(&entity)?;
    find(amo, caller, |note| note.entity_type == of && note.entity_id == entity_id && note.id == id)
}

fn find(amo: &Amocrm, caller: &Caller, wanted: impl Fn(&Note) -> bool) -> HandlerResult {
    let mut state = locked(&amo.inner.state);
    let note = state.content(caller.account_id).notes.iter().find(|note| wanted(note));
    let note = note.ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Note not found"))?;
    Ok(hal(&note_json(note, &caller.host)))
}

fn filtered(
    amo: &Amocrm,
    caller: &Caller,
    query: &Query,
    uri: &Uri,
    of: EntityType,
    selects: impl Fn(&Note) -> bool,
) -> HandlerResult {
    let page = query.page(250)?;
    let ids = query.numbers("filter[id]")?;
    let types = query.many("filter[note_type]");
    let (from, to) = query.range("filter[updated_at]")?;
    let order = query.order(&["updated_at", "id"])?;
    let mut state = locked(&amo.inner.state);
    let mut notes: Vec<&Note> = state
        .content(caller.account_id)
        .notes
        .iter()
        .filter(|note| note.entity_type == of && selects(note))
        .filter(|note| ids.is_empty() || ids.contains(&note.id))
        .filter(|note| types.is_empty() || types.contains(&note.note_type.as_str()))
        .filter(|note| (from..=to).contains(&u64::try_from(note.updated_at).unwrap_or(0)))
        .collect();
    match order {
        Some(("updated_at", _)) => notes.sort_by_key(|note| (note.updated_at, note.id)),
        _ => notes.sort_by_key(|note| note.id),
    }
    if order.is_some_and(|(_, descending)| descending) {
        notes.reverse();
    }
    let notes: Vec<Value> = notes.into_iter().map(|note| note_json(note, &caller.host)).collect();
    Ok(hal_list("notes", &notes, page, &caller.host, uri))
}
