//! `/{entity}/{id}/links`, `/link`, `/unlink`: links between records (amoCRM docs, crm_platform/entity-links-api).
//!
//! The methods for many records at once and links to elements of catalogues are not simulated. No hook is sent: the docs name
//! none.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::fields::{Field, Kind, check, json_list, optional, required};
use super::super::guard::Caller;
use super::super::model::EntityType;
use super::super::notes_api::entity_type;
use super::super::notes_write::{read, refuse_any};
use super::super::problem::{FieldError, HandlerResult, Problem, hal};
use super::super::query::Query;
use super::super::records::Key;
use super::super::state::Content;
use super::record_json::{address, linked_keys};
use super::record_rules::number;
use super::record_type;
use crate::lock::locked;

const LINK: [Field; 3] = [
    required("to_entity_id", Kind::Int),
    required("to_entity_type", Kind::Text),
    optional("metadata", Kind::OptObject),
];
const METADATA: [Field; 2] = [optional("is_main", Kind::Bool), optional("updated_by", Kind::Int)];

/// Lists the links of a record.
#[handler]
pub(crate) fn list(
    request: &Request,
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let query = Query::of(request.uri());
    query.allow_filters(&["to_entity_id", "to_entity_type"])?;
    let ids = query.numbers("filter[to_entity_id]")?;
    let types = query.many("filter[to_entity_type]");
    if ids.is_empty() != types.is_empty() {
        let detail = "filter[to_entity_id] and filter[to_entity_type] go together.";
        return Err(Problem::invalid("FieldMissing", "filter", detail));
    }
    let mut state = locked(&amo.inner.state);
    let content = &*state.content(caller.account_id);
    let mut links = links_of(content, (of, id))?;
    links.retain(|(to, _)| ids.is_empty() || (ids.contains(&to.1) && types.contains(&to.0.plural())));
    let links: Vec<Value> = links.into_iter().map(|(to, is_main)| link_json(to, is_main)).collect();
    let href = format!("{}/links", address(caller, (of, id)));
    Ok(hal(&json!({
        "_total_items": links.len(),
        "_links": {"self": {"href": href}},
        "_embedded": {"links": links},
    })))
}

/// Links records to a record.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let from = (record_type(&entity)?, id);
    let items = json_list(request.content_type(), &read(body).await?)?;
    let mut state = locked(&amo.inner.state);
    let content = state.content(caller.account_id);
    check_links(&items, content, from)?;
    for item in &items {
        let is_main =
            item.get("metadata").and_then(|metadata| metadata.get("is_main")).and_then(Value::as_bool);
        let (holder, to) = holder_of(from, target(item).unwrap_or(from));
        if let Some(record) = content.entities.get_mut(&holder) {
            record.link(to, is_main.unwrap_or_default());
        }
    }
    let asked: Vec<Key> = items.iter().filter_map(target).collect();
    let told: Vec<Value> = links_of(content, from)?
        .into_iter()
        .filter(|(to, _)| asked.contains(to))
        .map(|(to, is_main)| {
            let mut body = link_json(to, is_main);
            body["entity_id"] = json!(id);
            body["entity_type"] = json!(from.0.plural());
            body
        })
        .collect();
    let href = format!("{}/links", address(caller, from));
    Ok(hal(&json!({
        "_total_items": told.len(),
        "_links": {"self": {"href": href}},
        "_embedded": {"links": told},
    })))
}

/// Removes links of a record.
#[handler]
pub(crate) async fn remove(
    request: &Request,
    body: Body,
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let from = (record_type(&entity)?, id);
    let items = json_list(request.content_type(), &read(body).await?)?;
    let mut state = locked(&amo.inner.state);
    let content = state.content(caller.account_id);
    check_links(&items, content, from)?;
    for to in items.iter().filter_map(target) {
        let (holder, to) = holder_of(from, to);
        if let Some(record) = content.entities.get_mut(&holder) {
            record.unlink(to);
        }
    }
    Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
}

/// The links of a record with whether each is to its main contact.
fn links_of(content: &Content, key: Key) -> Result<Vec<(Key, bool)>, Problem> {
    let record = content.entities.get(&key);
    let record = record.ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Not found"))?;
    let linked = EntityType::ALL.into_iter().flat_map(|of| linked_keys(record, content, of));
    let is_main = |to: Key| record.links.iter().any(|link| link.to == to && link.is_main);
    Ok(linked.filter(|to| can_link(key.0, to.0)).map(|to| (to, is_main(to))).collect())
}

fn link_json(to: Key, is_main: bool) -> Value {
    let is_contact = to.0 == EntityType::Contacts;
    let metadata = if is_contact { json!({"main_contact": is_main}) } else { Value::Null };
    json!({"to_entity_id": to.1, "to_entity_type": to.0.plural(), "metadata": metadata})
}

fn target(item: &Map<String, Value>) -> Option<Key> {
    let of = item.get("to_entity_type").and_then(Value::as_str)?;
    Some((entity_type(of).ok()?, number(item, "to_entity_id")?))
}

/// Which of two linked records holds the link: leads and customers, then contacts.
fn holder_of(one: Key, other: Key) -> (Key, Key) {
    let rank = |key: Key| match key.0 {
        EntityType::Leads | EntityType::Customers => 0,
        EntityType::Contacts => 1,
        EntityType::Companies => 2,
    };
    if rank(one) <= rank(other) { (one, other) } else { (other, one) }
}

/// Whether records of these types can be linked.
fn can_link(one: EntityType, other: EntityType) -> bool {
    use EntityType::{Companies, Contacts, Customers, Leads};
    matches!(
        (one, other),
        (Leads | Customers, Contacts | Companies)
            | (Contacts, Companies | Customers)
            | (Companies, Contacts | Leads | Customers)
    )
}

fn check_links(items: &[Map<String, Value>], content: &Content, from: Key) -> Result<(), Problem> {
    if !content.entities.contains_key(&from) {
        return Err(Problem::api(StatusCode::NOT_FOUND, "Not found"));
    }
    refuse_any(items, |item| {
        let mut complaints = check(item, &LINK, "");
        if let Some(metadata) = item.get("metadata").and_then(Value::as_object) {
            complaints.extend(check(metadata, &METADATA, "metadata."));
        }
        match target(item) {
            Some(to) if !can_link(from.0, to.0) => {
                complaints.push(FieldError::not_a_choice("to_entity_type"));
            }
            Some(to) if !content.entities.contains_key(&to) => {
                complaints.push(FieldError::not_a_choice("to_entity_id"));
            }
            None if complaints.is_empty() => complaints.push(FieldError::not_a_choice("to_entity_type")),
            Some(_) | None => {}
        }
        complaints
    })
}
