//! Tags: the dictionary of a type of records, `/{entity}/tags`, and tags of records (amoCRM docs, crm_platform/tags-api).

use poem::web::{Data, Path};
use poem::{Body, Request, handler};
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::fields::{Field, Kind, check, json_list, optional, request_id, required};
use super::super::guard::Caller;
use super::super::model::EntityType;
use super::super::notes_write::{read, refuse_any};
use super::super::problem::{FieldError, HandlerResult, hal};
use super::super::query::{Query, hal_list};
use super::super::records::{Crm, Tag};
use super::super::state::AmocrmState;
use super::record_type;
use crate::lock::locked;

/// Colours that a lead's tag may have.
const COLORS: [&str; 23] = [
    "EBEBEB", "D0D0D0", "F2DDF7", "D1A4DC", "FF8F92", "FFC8C8", "C7DB8C", "DDEBB5", "8699DA", "AABDFF",
    "FFCE5A", "FFE193", "90CDB0", "C6F4DE", "A9A5D7", "D8D5FF", "86C0FC", "832161", "6A0F49", "0C7C59",
    "10599D", "9D2B32", "247BA0",
];

const ADD: [Field; 3] =
    [required("name", Kind::Text), optional("color", Kind::OptText), optional("request_id", Kind::Text)];
/// A tag of a record, as it is named in a request: by id or by name.
const REFERENCE: [Field; 3] =
    [optional("id", Kind::OptInt), optional("name", Kind::OptText), optional("color", Kind::OptText)];

/// Lists the tags of a type of records.
#[handler]
pub(crate) fn list_tags(
    request: &Request,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let query = Query::of(request.uri());
    query.allow_filters(&["id", "name"])?;
    let page = query.page(250)?;
    let ids = query.numbers("filter[id]")?;
    let name = query.one("filter[name]");
    let text = query.one("query").unwrap_or_default().to_lowercase();
    let mut state = locked(&amo.inner.state);
    let tags = &state.content(caller.account_id).crm.tags;
    let tags: Vec<Value> = tags
        .iter()
        .filter(|tag| tag.entity_type == of)
        .filter(|tag| ids.is_empty() || ids.contains(&tag.id))
        .filter(|tag| name.is_none_or(|name| tag.name == name))
        .filter(|tag| tag.name.to_lowercase().contains(&text))
        .map(tag_json)
        .collect();
    Ok(hal_list("tags", &tags, page, &caller.host, request.original_uri()))
}

/// Adds tags to the dictionary. A name that it has already answers with its id.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let items = json_list(request.content_type(), &read(body).await?)?;
    refuse_any(&items, |item| complaints(item, of))?;
    let mut state = locked(&amo.inner.state);
    let mut told = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let id = state.tag_named(caller.account_id, of, text("name").unwrap_or_default(), text("color"));
        let tags = &state.content(caller.account_id).crm.tags;
        let mut body = tags.iter().find(|tag| tag.id == id).map(tag_json).unwrap_or_default();
        body["request_id"] = json!(request_id(item, index));
        told.push(body);
    }
    Ok(hal(&json!({"_total_items": told.len(), "_embedded": {"tags": told}})))
}

fn complaints(item: &Map<String, Value>, of: EntityType) -> Vec<FieldError> {
    let mut complaints = check(item, &ADD, "");
    let color = item.get("color").and_then(Value::as_str);
    if color.is_some_and(|color| of != EntityType::Leads || !COLORS.contains(&color)) {
        complaints.push(FieldError::not_a_choice("color"));
    }
    complaints
}

/// A tag with its colour.
pub(crate) fn tag_json(tag: &Tag) -> Value {
    json!({"id": tag.id, "name": tag.name, "color": tag.color})
}

/// What an item says about the tags of a record.
#[derive(Debug, Default)]
pub(crate) struct TagChanges {
    /// All tags from now on; `None`: the present ones.
    replaced: Option<Vec<TagReference>>,
    added: Vec<TagReference>,
    removed: Vec<TagReference>,
}

/// A tag by id or name.
#[derive(Debug)]
enum TagReference {
    Id(u64),
    Name(String),
}

/// The changes of tags in an item, or what is wrong with them.
pub(crate) fn parse_tags(
    item: &Map<String, Value>,
    crm: &Crm,
    of: EntityType,
) -> Result<TagChanges, Vec<FieldError>> {
    let embedded = item.get("_embedded").and_then(|embedded| embedded.get("tags"));
    let lists = [
        (embedded, "_embedded.tags"),
        (item.get("tags_to_add"), "tags_to_add"),
        (item.get("tags_to_delete"), "tags_to_delete"),
    ];
    let mut complaints = Vec::new();
    let [replaced, added, removed] = lists.map(|(list, path)| {
        let found = parse_list(list, path, crm, of);
        found.map_err(|found| complaints.extend(found)).unwrap_or_default()
    });
    if !complaints.is_empty() {
        return Err(complaints);
    }
    Ok(TagChanges { replaced: embedded.map(|_| replaced), added, removed })
}

fn parse_list(
    list: Option<&Value>,
    path: &str,
    crm: &Crm,
    of: EntityType,
) -> Result<Vec<TagReference>, Vec<FieldError>> {
    let entries = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            return Err(vec![FieldError::new("InvalidType", path, "This value should be of type array.")]);
        }
    };
    let mut references = Vec::new();
    let mut complaints = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match parse_reference(entry, &format!("{path}.{index}"), crm, of) {
            Ok(reference) => references.push(reference),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() { Ok(references) } else { Err(complaints) }
}

fn parse_reference(entry: &Value, path: &str, crm: &Crm, of: EntityType) -> Result<TagReference, FieldError> {
    let Some(entry) = entry.as_object() else {
        return Err(FieldError::new("InvalidType", path, "This value should be of type object."));
    };
    if let Some(complaint) = check(entry, &REFERENCE, &format!("{path}.")).into_iter().next() {
        return Err(complaint);
    }
    match (entry.get("id").and_then(Value::as_u64), entry.get("name").and_then(Value::as_str)) {
        (Some(id), _) if crm.tags.iter().any(|tag| tag.entity_type == of && tag.id == id) => {
            Ok(TagReference::Id(id))
        }
        (Some(_), _) => Err(FieldError::not_a_choice(format!("{path}.id"))),
        (None, Some(name)) => Ok(TagReference::Name(name.to_owned())),
        (None, None) => Err(FieldError::new("FieldMissing", format!("{path}.id"), "This field is missing.")),
    }
}

impl AmocrmState {
    /// Id of the tag with this name, which is added if there is none.
    fn tag_named(&mut self, account_id: u64, of: EntityType, name: &str, color: Option<&str>) -> u64 {
        let known = {
            let mut tags = self.content(account_id).crm.tags.iter();
            tags.find(|tag| tag.entity_type == of && tag.name == name).map(|tag| tag.id)
        };
        if let Some(id) = known {
            return id;
        }
        let id = self.fresh_id();
        let tag = Tag { id, entity_type: of, name: name.to_owned(), color: color.map(str::to_owned) };
        self.content(account_id).crm.tags.push(tag);
        id
    }

    /// The tags of a record after changes.
    pub(crate) fn changed_tags(
        &mut self,
        account_id: u64,
        of: EntityType,
        present: Vec<u64>,
        changes: TagChanges,
    ) -> Vec<u64> {
        let mut id_of = |reference: TagReference| match reference {
            TagReference::Id(id) => id,
            TagReference::Name(name) => self.tag_named(account_id, of, &name, None),
        };
        let mut tags = match changes.replaced {
            Some(references) => references.into_iter().map(&mut id_of).collect(),
            None => present,
        };
        tags.extend(changes.added.into_iter().map(&mut id_of));
        let removed: Vec<u64> = changes.removed.into_iter().map(id_of).collect();
        let mut seen = Vec::new();
        tags.retain(|id| {
            let is_new = !seen.contains(id);
            seen.push(*id);
            is_new && !removed.contains(id)
        });
        tags
    }
}
