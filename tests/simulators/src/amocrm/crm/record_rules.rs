//! Validation of leads, contacts and companies in requests (amoCRM docs, crm_platform/leads-api, contacts-api, companies-api).

use serde_json::{Map, Value};

use super::super::fields::{Field, Kind, check, optional};
use super::super::model::{Account, EntityType};
use super::super::problem::FieldError;
use super::super::records::{Key, pipeline};
use super::super::state::Content;
use super::tags::parse_tags;
use super::values::parse_values;

const COMMON: [Field; 10] = [
    optional("name", Kind::Text),
    optional("responsible_user_id", Kind::Int),
    optional("created_by", Kind::Int),
    optional("updated_by", Kind::Int),
    optional("created_at", Kind::Int),
    optional("updated_at", Kind::Int),
    optional("custom_fields_values", Kind::Array),
    optional("tags_to_add", Kind::Array),
    optional("_embedded", Kind::Object),
    optional("request_id", Kind::Text),
];
const OF_LEADS: [Field; 4] = [
    optional("price", Kind::Int),
    optional("status_id", Kind::Int),
    optional("pipeline_id", Kind::Int),
    optional("closed_at", Kind::Int),
];
const OF_CONTACTS: [Field; 2] = [optional("first_name", Kind::Text), optional("last_name", Kind::Text)];
const OF_EDITS: [Field; 2] = [optional("id", Kind::Int), optional("tags_to_delete", Kind::Array)];
const EMBEDDED_TAGS: Field = optional("tags", Kind::OptArray);
const EMBEDDED_LINKS: [Field; 2] = [optional("contacts", Kind::Array), optional("companies", Kind::Array)];
const LINK: [Field; 2] = [optional("id", Kind::Int), optional("is_main", Kind::Bool)];

/// What a request does with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Add,
    Edit,
}

/// All that is wrong with an item of a request.
pub(crate) fn check_record(
    item: &Map<String, Value>,
    of: EntityType,
    deed: Deed,
    account: &Account,
    content: &Content,
) -> Vec<FieldError> {
    let mut complaints = check(item, &known_fields(of, deed), "");
    complaints.extend(check_users(item, account));
    if of == EntityType::Leads {
        complaints.extend(check_status(item));
    }
    complaints.extend(check_embedded(item, of, deed));
    complaints.extend(parse_links(item, content).err().unwrap_or_default());
    complaints.extend(parse_values(item, &content.crm.fields, of).err().unwrap_or_default());
    complaints.extend(parse_tags(item, &content.crm, of).err().unwrap_or_default());
    if deed == Deed::Edit {
        match number(item, "id") {
            None => complaints.push(FieldError::new("FieldMissing", "id", "This field is missing.")),
            Some(id) if !content.entities.contains_key(&(of, id)) => {
                complaints.push(FieldError::not_a_choice("id"));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// A whole number of an item.
pub(crate) fn number(item: &Map<String, Value>, name: &str) -> Option<u64> {
    item.get(name).and_then(Value::as_u64)
}

fn known_fields(of: EntityType, deed: Deed) -> Vec<Field> {
    let own: &[Field] = match of {
        EntityType::Leads => &OF_LEADS,
        EntityType::Contacts => &OF_CONTACTS,
        EntityType::Companies | EntityType::Customers => &[],
    };
    let of_deed: &[Field] = if deed == Deed::Edit { &OF_EDITS } else { &[] };
    [&COMMON[..], own, of_deed].concat()
}

/// Users must be in the account; an author may be a robot, 0.
pub(crate) fn check_users(item: &Map<String, Value>, account: &Account) -> Vec<FieldError> {
    let is_known =
        |name: &str, id: u64| account.user(id).is_some() || (id == 0 && name != "responsible_user_id");
    ["responsible_user_id", "created_by", "updated_by"]
        .into_iter()
        .filter(|name| number(item, name).is_some_and(|id| !is_known(name, id)))
        .map(FieldError::not_a_choice)
        .collect()
}

fn check_status(item: &Map<String, Value>) -> Vec<FieldError> {
    let mut complaints = Vec::new();
    if number(item, "pipeline_id").is_some_and(|id| id != pipeline::PIPELINE_ID) {
        complaints.push(FieldError::not_a_choice("pipeline_id"));
    }
    if number(item, "status_id").is_some_and(|id| !pipeline::has_status(id)) {
        complaints.push(FieldError::not_a_choice("status_id"));
    }
    complaints
}

fn check_embedded(item: &Map<String, Value>, of: EntityType, deed: Deed) -> Vec<FieldError> {
    let Some(embedded) = item.get("_embedded").and_then(Value::as_object) else { return Vec::new() };
    let links: &[Field] = if of == EntityType::Leads && deed == Deed::Add { &EMBEDDED_LINKS } else { &[] };
    check(embedded, &[&[EMBEDDED_TAGS][..], links].concat(), "_embedded.")
}

/// The contacts and companies of a new lead, each with whether it is the main contact.
pub(crate) fn parse_links(
    item: &Map<String, Value>,
    content: &Content,
) -> Result<Vec<(Key, bool)>, Vec<FieldError>> {
    let mut links = Vec::new();
    let mut complaints = Vec::new();
    for of in [EntityType::Contacts, EntityType::Companies] {
        let name = of.plural();
        let list = item.get("_embedded").and_then(|embedded| embedded.get(name)).and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        if of == EntityType::Companies && list.len() > 1 {
            let detail = "A lead has one company.";
            complaints.push(FieldError::new("InvalidCount", "_embedded.companies", detail));
        }
        for (index, link) in list.iter().enumerate() {
            let path = format!("_embedded.{name}.{index}");
            let Some(link) = link.as_object() else {
                complaints.push(FieldError::new("InvalidType", path, "This value should be of type object."));
                continue;
            };
            complaints.extend(check(link, &LINK, &format!("{path}.")));
            match number(link, "id").map(|id| (of, id)).filter(|key| content.entities.contains_key(key)) {
                Some(key) => links.push((key, link.get("is_main") == Some(&Value::Bool(true)))),
                None => complaints.push(FieldError::not_a_choice(format!("{path}.id"))),
            }
        }
    }
    if complaints.is_empty() { Ok(links) } else { Err(complaints) }
}
