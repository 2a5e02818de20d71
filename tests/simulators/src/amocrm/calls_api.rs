//! `POST /calls`: a telephony provider reports a call, and amoCRM finds the entity by phone number (amoCRM docs,
//! crm_platform/calls-api).

use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, handler};
use serde_json::{Map, Value, json};

use super::Amocrm;
use super::fields::{Field, Kind, check, json_list, optional, request_id, required};
use super::guard::Caller;
use super::model::{EntityType, Note};
use super::problem::{FieldError, HandlerResult, Problem, hal};
use super::records::Record;
use super::state::Content;
use crate::lock::locked;

const FIELDS: [Field; 16] = [
    required("direction", Kind::Text),
    required("duration", Kind::Numeric),
    required("source", Kind::Text),
    required("phone", Kind::Text),
    optional("uniq", Kind::Text),
    optional("link", Kind::OptText),
    optional("call_responsible", Kind::IntOrText),
    optional("call_result", Kind::Text),
    optional("call_status", Kind::Int),
    optional("responsible_user_id", Kind::Int),
    optional("created_by", Kind::Int),
    optional("updated_by", Kind::Int),
    optional("created_at", Kind::Int),
    optional("updated_at", Kind::Int),
    optional("request_id", Kind::Text),
    optional("is_need_to_trigger_digital_pipeline", Kind::Bool),
];

/// Number of trailing digits of phone numbers that are compared.
const COMPARED_DIGITS: usize = 10;

/// Adds calls to the entities with their phone numbers. Calls of unknown numbers are not added.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let body = body.into_vec().await.map_err(|_| Problem::api(StatusCode::BAD_REQUEST, "Unreadable body"))?;
    let items = json_list(request.content_type(), &body)?;
    let refused: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(index, item)| (request_id(item, index), complaints(item)))
        .filter(|(_, complaints)| !complaints.is_empty())
        .collect();
    if !refused.is_empty() {
        return Err(Problem::validation(&refused));
    }
    let (added, told, errors) = attach(amo, caller, &items);
    for note in &added {
        amo.announce(note, true);
        amo.fire_notes(caller.account_id, std::slice::from_ref(note));
    }
    Ok(hal(&json!({"_total_items": told.len(), "errors": errors, "_embedded": {"calls": told}})))
}

fn complaints(item: &Map<String, Value>) -> Vec<FieldError> {
    let mut complaints = check(item, &FIELDS, "");
    if !matches!(item.get("direction").and_then(Value::as_str), Some("inbound" | "outbound")) {
        complaints.push(FieldError::new("NotSupportedChoice", "direction", "`inbound` or `outbound`."));
    }
    complaints
}

fn attach(
    amo: &Amocrm,
    caller: &Caller,
    items: &[Map<String, Value>],
) -> (Vec<Note>, Vec<Value>, Vec<Value>) {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let (mut added, mut told, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let request_id = request_id(item, index);
        let phone = item.get("phone").and_then(Value::as_str).unwrap_or_default();
        let Some((entity_type, entity_id)) = whose(state.content(caller.account_id), phone) else {
            errors.push(json!({"title": "Entity not found", "status": 263, "request_id": request_id}));
            continue;
        };
        let note = note(item, caller, (entity_type, entity_id), state.fresh_id(), now);
        told.push(json!({
            "id": note.id,
            "entity_id": entity_id,
            "entity_type": entity_type.singular(),
            "account_id": caller.account_id,
            "request_id": request_id,
        }));
        state.keep(note.clone());
        added.push(note);
    }
    (added, told, errors)
}

fn note(
    item: &Map<String, Value>,
    caller: &Caller,
    (entity_type, entity_id): (EntityType, u64),
    id: u64,
    now: i64,
) -> Note {
    const PARAMS: [&str; 8] =
        ["uniq", "duration", "source", "link", "phone", "call_responsible", "call_status", "call_result"];
    let number = |name: &str, default: u64| item.get(name).and_then(Value::as_u64).unwrap_or(default);
    let time = |name: &str| item.get(name).and_then(Value::as_i64).unwrap_or(now);
    let params: Map<String, Value> = PARAMS
        .into_iter()
        .filter_map(|name| item.get(name).map(|value| (name.to_owned(), value.clone())))
        .collect();
    let inbound = item.get("direction").and_then(Value::as_str) == Some("inbound");
    Note {
        id,
        entity_id,
        entity_type,
        created_by: number("created_by", caller.user_id),
        updated_by: number("updated_by", caller.user_id),
        created_at: time("created_at"),
        updated_at: time("updated_at"),
        responsible_user_id: number("responsible_user_id", caller.user_id),
        group_id: 0,
        note_type: if inbound { "call_in" } else { "call_out" }.to_owned(),
        params: Value::Object(params),
        account_id: caller.account_id,
    }
}

/// Entity that gets a call of `phone`: the only active lead of its contact or company if there is no customer,
/// the only customer if there is no active lead, otherwise the contact or company itself.
fn whose(content: &Content, phone: &str) -> Option<(EntityType, u64)> {
    let wanted = last_digits(phone)?;
    let person = content
        .entities
        .values()
        .filter(|record| matches!(record.entity_type, EntityType::Contacts | EntityType::Companies))
        .filter(|record| record.phones().iter().any(|known| last_digits(known).as_ref() == Some(&wanted)))
        .min_by_key(|record| record.id)?;
    let theirs = |entity_type: EntityType| -> Vec<&Record> {
        let of = |record: &&Record| {
            record.entity_type == entity_type && !record.is_closed() && record.links_to(person.key())
        };
        content.entities.values().filter(of).collect()
    };
    match (theirs(EntityType::Leads).as_slice(), theirs(EntityType::Customers).as_slice()) {
        ([lead], []) => Some((EntityType::Leads, lead.id)),
        ([], [customer]) => Some((EntityType::Customers, customer.id)),
        _ => Some((person.entity_type, person.id)),
    }
}

fn last_digits(phone: &str) -> Option<String> {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let start = digits.len().checked_sub(COMPARED_DIGITS)?;
    Some(digits[start..].iter().collect())
}
