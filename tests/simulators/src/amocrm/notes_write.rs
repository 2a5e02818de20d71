//! Writing notes (amoCRM docs, crm_platform/events-and-notes).

use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, handler};
use serde_json::{Map, Value, json};

use super::Amocrm;
use super::fields::{Field, Kind, check, json_list, json_object, optional, request_id, required};
use super::guard::Caller;
use super::model::{EntityType, Event, Note};
use super::note_rules::check_note;
use super::notes_api::entity_type;
use super::problem::{FieldError, HandlerResult, Problem, hal};
use super::state::AmocrmState;
use crate::lock::locked;

const ADD: [Field; 7] = [
    optional("entity_id", Kind::Int),
    required("note_type", Kind::Text),
    required("params", Kind::Object),
    optional("created_by", Kind::Int),
    optional("responsible_user_id", Kind::Int),
    optional("request_id", Kind::Text),
    optional("is_need_to_trigger_digital_pipeline", Kind::Bool),
];
const EDIT: [Field; 4] = [
    required("id", Kind::Int),
    required("note_type", Kind::Text),
    required("params", Kind::Object),
    optional("request_id", Kind::Text),
];
const EDIT_ONE: [Field; 3] =
    [required("note_type", Kind::Text), required("params", Kind::Object), optional("request_id", Kind::Text)];

/// Adds notes to entities of a type; each item names its entity.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    add_all(amo, caller, entity_type(&entity)?, None, &items)
}

/// Adds notes to one entity.
#[handler]
pub(crate) async fn add_to_entity(
    request: &Request,
    body: Body,
    Path((entity, entity_id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    add_all(amo, caller, entity_type(&entity)?, Some(entity_id), &items)
}

/// Changes notes of entities of a type.
#[handler]
pub(crate) async fn edit(
    request: &Request,
    body: Body,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    edit_all(amo, caller, entity_type(&entity)?, None, &items, &EDIT)
}

/// Changes notes of one entity.
#[handler]
pub(crate) async fn edit_of_entity(
    request: &Request,
    body: Body,
    Path((entity, entity_id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    edit_all(amo, caller, entity_type(&entity)?, Some(entity_id), &items, &EDIT)
}

/// Changes one note.
#[handler]
pub(crate) async fn edit_one(
    request: &Request,
    body: Body,
    Path((entity, entity_id, id)): Path<(String, u64, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let mut item = json_object(request.content_type(), &read(body).await?)?;
    refuse_any(&[item.clone()], |item| check(item, &EDIT_ONE, ""))?;
    item.insert("id".to_owned(), json!(id));
    edit_all(amo, caller, entity_type(&entity)?, Some(entity_id), &[item], &EDIT)
}

pub(crate) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    body.into_vec().await.map_err(|_| Problem::api(StatusCode::BAD_REQUEST, "Unreadable body"))
}

/// Rejects the whole batch if any item is invalid.
pub(crate) fn refuse_any(
    items: &[Map<String, Value>],
    check: impl Fn(&Map<String, Value>) -> Vec<FieldError>,
) -> Result<(), Problem> {
    let refused: Vec<(String, Vec<FieldError>)> = items
        .iter()
        .enumerate()
        .map(|(index, item)| (request_id(item, index), check(item)))
        .filter(|(_, complaints)| !complaints.is_empty())
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(Problem::validation(&refused)) }
}

fn number(item: &Map<String, Value>, name: &str) -> Option<u64> {
    item.get(name).and_then(Value::as_u64)
}

fn add_all(
    amo: &Amocrm,
    caller: &Caller,
    of: EntityType,
    entity_id: Option<u64>,
    items: &[Map<String, Value>],
) -> HandlerResult {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let content = state.content(caller.account_id);
    refuse_any(items, |item| {
        let mut complaints = check(item, &ADD, "");
        complaints.extend(check_note(item));
        match entity_id.or_else(|| number(item, "entity_id")) {
            None => complaints.push(FieldError::new("FieldMissing", "entity_id", "This field is missing.")),
            Some(id) if !content.entities.contains_key(&(of, id)) => {
                complaints.push(FieldError::new("NotSupportedChoice", "entity_id", "Entity not found."));
            }
            Some(_) => {}
        }
        complaints
    })?;
    let mut added = Vec::new();
    let mut told = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let entity_id = entity_id.or_else(|| number(item, "entity_id")).unwrap_or_default();
        let note = Note {
            id: state.fresh_id(),
            entity_id,
            entity_type: of,
            created_by: number(item, "created_by").unwrap_or(caller.user_id),
            updated_by: caller.user_id,
            created_at: now,
            updated_at: now,
            responsible_user_id: number(item, "responsible_user_id").unwrap_or(caller.user_id),
            group_id: 0,
            note_type: item.get("note_type").and_then(Value::as_str).unwrap_or_default().to_owned(),
            params: item.get("params").cloned().unwrap_or_default(),
            account_id: caller.account_id,
        };
        told.push(json!({"id": note.id, "entity_id": entity_id, "request_id": request_id(item, index)}));
        state.keep(note.clone());
        added.push(note);
    }
    drop(state);
    for note in &added {
        amo.announce(note, true);
    }
    amo.fire_notes(caller.account_id, &added);
    Ok(hal(&json!({"_embedded": {"notes": told}})))
}

fn edit_all(
    amo: &Amocrm,
    caller: &Caller,
    of: EntityType,
    entity_id: Option<u64>,
    items: &[Map<String, Value>],
    known: &[Field],
) -> HandlerResult {
    let now = amo.control().clock().now().timestamp();
    let merges = amo.behaviour().patch_merges_params;
    let mut state = locked(&amo.inner.state);
    let notes = &mut state.content(caller.account_id).notes;
    let is_it = |note: &Note, item: &Map<String, Value>| {
        note.entity_type == of
            && entity_id.is_none_or(|wanted| note.entity_id == wanted)
            && number(item, "id") == Some(note.id)
    };
    refuse_any(items, |item| {
        let mut complaints = check(item, known, "");
        complaints.extend(check_note(item));
        complaints
    })?;
    if items.iter().any(|item| !notes.iter().any(|note| is_it(note, item))) {
        return Err(Problem::api(StatusCode::NOT_FOUND, "Note not found"));
    }
    let mut told = Vec::new();
    for item in items {
        for note in notes.iter_mut().filter(|note| is_it(note, item)) {
            let params = item.get("params").cloned().unwrap_or_default();
            match (&mut note.params, params) {
                (Value::Object(old), Value::Object(new)) if merges => old.extend(new),
                (old, new) => *old = new,
            }
            item.get("note_type").and_then(Value::as_str).unwrap_or_default().clone_into(&mut note.note_type);
            note.updated_at = now;
            note.updated_by = caller.user_id;
            told.push(json!({"id": note.id, "entity_id": note.entity_id, "updated_at": now}));
        }
    }
    Ok(hal(&json!({"_embedded": {"notes": told}})))
}

impl AmocrmState {
    /// Stores a new note, and the event if it is a call.
    pub(crate) fn keep(&mut self, note: Note) {
        let kind = match note.note_type.as_str() {
            "call_in" => Some("incoming_call"),
            "call_out" => Some("outgoing_call"),
            _ => None,
        };
        let content = self.content(note.account_id);
        if let Some(kind) = kind {
            content.events.push(Event {
                id: format!("01{:024x}", note.id),
                kind,
                entity_type: note.entity_type,
                entity_id: note.entity_id,
                created_by: note.created_by,
                created_at: note.created_at,
                note_id: note.id,
            });
        }
        content.notes.push(note);
    }
}
