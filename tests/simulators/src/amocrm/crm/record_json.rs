//! A record as the API answers it (amoCRM docs, crm_platform/leads-api, contacts-api, companies-api).

use serde_json::{Value, json};

use super::super::guard::Caller;
use super::super::model::EntityType;
use super::super::problem::Problem;
use super::super::records::pipeline::PIPELINE_ID;
use super::super::records::{Key, Record};
use super::super::state::Content;
use super::tags::tag_json;
use super::values::values_json;

const LEAD_WITH: [&str; 6] = [
    "catalog_elements",
    "is_price_modified_by_robot",
    "loss_reason",
    "contacts",
    "only_deleted",
    "source_id",
];
const CONTACT_WITH: [&str; 3] = ["catalog_elements", "leads", "customers"];
const COMPANY_WITH: [&str; 4] = ["catalog_elements", "leads", "customers", "contacts"];

/// Relations that a request asks for by `with`.
pub(crate) fn parse_with(with: Option<&str>, of: EntityType) -> Result<Vec<&str>, Problem> {
    let known: &[&str] = match of {
        EntityType::Leads => &LEAD_WITH,
        EntityType::Contacts => &CONTACT_WITH,
        EntityType::Companies | EntityType::Customers => &COMPANY_WITH,
    };
    let asked: Vec<&str> = with.into_iter().flat_map(|list| list.split(',')).collect();
    if asked.iter().any(|name| !known.contains(name)) {
        return Err(Problem::invalid("NotSupportedChoice", "with", "This relation is not supported."));
    }
    Ok(asked)
}

/// The record with the relations of `with`.
pub(crate) fn record_json(record: &Record, content: &Content, with: &[&str], caller: &Caller) -> Value {
    let key = record.key();
    let mut body = json!({
        "id": record.id,
        "name": record.name,
        "responsible_user_id": record.responsible_user_id,
        "group_id": 0,
        "created_by": record.created_by,
        "updated_by": record.updated_by,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "closest_task_at": content.crm.closest_task_at(key),
        "is_deleted": false,
        "custom_fields_values": values_json(record, &content.crm.fields),
        "account_id": caller.account_id,
        "_links": {"self": {"href": address(caller, key)}},
        "_embedded": embedded(record, content, with, caller),
    });
    match record.entity_type {
        EntityType::Leads => add_lead_fields(&mut body, record, with),
        EntityType::Contacts => {
            body["first_name"] = json!(record.first_name);
            body["last_name"] = json!(record.last_name);
        }
        EntityType::Companies | EntityType::Customers => {}
    }
    body
}

fn add_lead_fields(body: &mut Value, record: &Record, with: &[&str]) {
    body["price"] = json!(record.price);
    body["status_id"] = json!(record.status_id);
    body["pipeline_id"] = json!(PIPELINE_ID);
    body["loss_reason_id"] = Value::Null;
    body["closed_at"] = json!(record.closed_at);
    body["score"] = Value::Null;
    body["labor_cost"] = Value::Null;
    if with.contains(&"source_id") {
        body["source_id"] = Value::Null;
    }
    if with.contains(&"is_price_modified_by_robot") {
        body["is_price_modified_by_robot"] = json!(false);
    }
}

/// Tags and the company are always there, the rest if it is asked for.
fn embedded(record: &Record, content: &Content, with: &[&str], caller: &Caller) -> Value {
    let tag = |id: &u64| content.crm.tags.iter().find(|tag| tag.id == *id).map(tag_json);
    let tags: Vec<Value> = record.tags.iter().filter_map(tag).collect();
    let mut body = json!({"tags": tags});
    let of = record.entity_type;
    if matches!(of, EntityType::Leads | EntityType::Contacts) {
        body["companies"] = linked(record, content, EntityType::Companies, caller);
    }
    for kind in [EntityType::Contacts, EntityType::Leads, EntityType::Customers] {
        if with.contains(&kind.plural()) {
            body[kind.plural()] = linked(record, content, kind, caller);
        }
    }
    for absent in ["catalog_elements", "loss_reason"] {
        if with.contains(&absent) {
            body[absent] = json!([]);
        }
    }
    body
}

/// The linked records of a type, by id.
fn linked(record: &Record, content: &Content, of: EntityType, caller: &Caller) -> Value {
    let refer = |key: Key| {
        let mut body = json!({"id": key.1, "_links": {"self": {"href": address(caller, key)}}});
        if let Some(link) = record.links.iter().find(|link| link.to == key && key.0 == EntityType::Contacts)
            && record.entity_type == EntityType::Leads
        {
            body["is_main"] = json!(link.is_main);
        }
        body
    };
    Value::from(linked_keys(record, content, of).into_iter().map(refer).collect::<Vec<_>>())
}

/// Keys of the linked records of a type, whichever of the two holds the link, by id.
pub(crate) fn linked_keys(record: &Record, content: &Content, of: EntityType) -> Vec<Key> {
    let own = record.links.iter().map(|link| link.to).filter(|to| content.entities.contains_key(to));
    let others = content.entities.values().filter(|other| other.links_to(record.key())).map(Record::key);
    let mut keys: Vec<Key> = own.chain(others).filter(|key| key.0 == of).collect();
    keys.sort_unstable_by_key(|key| key.1);
    keys.dedup();
    keys
}

/// Address of a record in the API.
pub(crate) fn address(caller: &Caller, (of, id): Key) -> String {
    format!("https://{}/api/v4/{}/{id}", caller.host, of.plural())
}
