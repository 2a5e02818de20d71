//! `/ajax/card/<entity>/<id>`: events of a card's feed, newest page first, and the records that the socket announces.

use poem::http::StatusCode;
use poem::web::{Data, Json, Path, Query};
use poem::{Request, Result, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Amocrm;
use super::super::model::{EntityType, Note, User};
use super::super::problem::Problem;
use super::super::state::Content;
use super::PageOptions;
use super::user::visitor;
use crate::lock::locked;

/// Query of a page of events.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// `oldest` of the page before: `<created_at>.<note id>`.
    before: Option<String>,
}

/// A page of events, oldest first, and what the card's left side shows.
#[handler]
pub(super) fn events(
    request: &Request,
    Path((entity, id)): Path<(String, u64)>,
    Query(asked): Query<Asked>,
    Data(amo): Data<&Amocrm>,
) -> Result<Json<Value>> {
    let (account, _) = visitor(amo, request)?;
    let absent = || Problem::api(StatusCode::NOT_FOUND, "Card not found");
    let entity = EntityType::ALL.into_iter().find(|known| known.plural() == entity).ok_or_else(absent)?;
    let options = locked(&amo.inner.pages).options(account.id);
    let before = asked.before.as_deref().and_then(parse_position);
    let mut state = locked(&amo.inner.state);
    let content = state.content(account.id);
    let mut notes: Vec<&Note> =
        content.notes.iter().filter(|note| is_shown(content, note, entity, id)).collect();
    notes.retain(|note| before.is_none_or(|before| position(note) < before));
    notes.sort_by_key(|note| position(note));
    let more = notes.len().saturating_sub(options.page_size);
    let shown = notes.get(more..).unwrap_or_default();
    let records: Vec<Value> = shown
        .iter()
        .map(|note| record(content, note, &account.users, &options, Some((entity, id))))
        .collect();
    let oldest = shown.first().map(|note| format!("{}.{}", note.created_at, note.id));
    let (name, text) = (card_name(content, entity, id), card_text(content, entity, id));
    Ok(Json(json!({
        "name": name,
        "text": text,
        "contacts": contacts(content, entity, id),
        "records": records,
        "has_more": more > 0,
        "oldest": oldest,
    })))
}

fn position(note: &Note) -> (i64, u64) {
    (note.created_at, note.id)
}

fn parse_position(text: &str) -> Option<(i64, u64)> {
    let (time, id) = text.split_once('.')?;
    Some((time.parse().ok()?, id.parse().ok()?))
}

/// Cards whose feed shows the note: its own, and those linked to it.
pub(super) fn cards_of(content: &Content, note: &Note) -> Vec<(EntityType, u64)> {
    let own = (note.entity_type, note.entity_id);
    let linked =
        content.entities.keys().copied().filter(|card| *card != own && are_linked(content, own, *card));
    std::iter::once(own).chain(linked).collect()
}

fn is_shown(content: &Content, note: &Note, entity: EntityType, id: u64) -> bool {
    let own = (note.entity_type, note.entity_id);
    own == (entity, id) || are_linked(content, own, (entity, id))
}

/// Whether a lead or customer names the contact or company, in either direction.
fn are_linked(content: &Content, one: (EntityType, u64), other: (EntityType, u64)) -> bool {
    let names = |from: (EntityType, u64), to: (EntityType, u64)| {
        matches!(from.0, EntityType::Leads | EntityType::Customers)
            && content.entities.get(&from).is_some_and(|record| record.links_to(to))
    };
    names(one, other) || names(other, one)
}

/// A record of the feed as the page's script draws it.
pub(super) fn record(
    content: &Content,
    note: &Note,
    users: &[User],
    options: &PageOptions,
    shown_at: Option<(EntityType, u64)>,
) -> Value {
    let event_id = content.events.iter().rev().find(|event| event.note_id == note.id).map(|event| &event.id);
    let id = match event_id {
        Some(id) if !options.numeric_ids => id.clone(),
        _ => note.id.to_string(),
    };
    let text = |name: &str| note.params.get(name).and_then(Value::as_str).map(str::to_owned);
    let duration = &note.params["duration"];
    let seconds = duration.as_u64().or_else(|| duration.as_str()?.parse().ok()).unwrap_or_default();
    let (link, source) = (text("link").filter(|link| !link.is_empty()), text("source").unwrap_or_default());
    let author = users.iter().find(|user| user.id == note.created_by).map(|user| user.name.clone());
    let own = (note.entity_type, note.entity_id);
    let linked = shown_at
        .filter(|shown| *shown != own)
        .map(|_| json!({ "entity": own.0.plural(), "id": own.1, "name": card_name(content, own.0, own.1) }));
    json!({
        "id": id,
        "note_id": note.id,
        "kind": if matches!(note.note_type.as_str(), "call_in" | "call_out") { "call" } else { "common" },
        "incoming": note.note_type == "call_in",
        "phone": text("phone").unwrap_or_default(),
        "duration": seconds,
        "playable": link.is_some() && !source.is_empty(),
        "link": link,
        "source": source,
        "result": text("call_result"),
        "text": text("text").unwrap_or_default(),
        "pinned": false,
        "created_at": note.created_at,
        "created_by": note.created_by,
        "author": author.unwrap_or_default(),
        "linked": linked,
    })
}

fn card_name(content: &Content, entity: EntityType, id: u64) -> String {
    let named = content.entities.get(&(entity, id)).filter(|record| !record.name.is_empty());
    if let Some(record) = named {
        return record.name.clone();
    }
    let name = match entity {
        EntityType::Leads => "Сделка",
        EntityType::Contacts => "Контакт",
        EntityType::Companies => "Компания",
        EntityType::Customers => "Покупатель",
    };
    format!("{name} {id}")
}

fn card_text(content: &Content, entity: EntityType, id: u64) -> String {
    let phones = content.entities.get(&(entity, id)).map(|record| record.phones().join(", "));
    phones.unwrap_or_default()
}

/// Contacts of a card, for `get_current_card_contacts_data`.
fn contacts(content: &Content, entity: EntityType, id: u64) -> Vec<Value> {
    let linked = content.entities.iter().filter(|((kind, _), _)| *kind == EntityType::Contacts);
    linked
        .filter(|(card, _)| **card == (entity, id) || are_linked(content, (entity, id), **card))
        .map(|((kind, id), contact)| {
            let name = card_name(content, *kind, *id);
            json!({ "id": id, "name": name, "phones": contact.phones(), "emails": [] })
        })
        .collect()
}
