//! `/{entity}/custom_fields`: fields that an account defines, and the two that every contact and company has (amoCRM docs,
//! crm_platform/custom-fields).
//!
//! Types that need the file service, catalogues or paid options are not simulated, nor are groups, required statuses, reminders
//! and changes of fields.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, handler};
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::fields::{Field, Kind, check, json_list, optional, request_id, required};
use super::super::guard::Caller;
use super::super::model::EntityType;
use super::super::notes_write::{read, refuse_any};
use super::super::problem::{FieldError, HandlerResult, Problem, hal, json_with};
use super::super::query::{Query, hal_list_counted};
use super::super::records::{CustomField, FieldEnum, FieldKind};
use super::record_type;
use crate::lock::locked;

const ADD: [Field; 7] = [
    required("type", Kind::Text),
    required("name", Kind::Text),
    optional("code", Kind::OptText),
    optional("sort", Kind::Int),
    optional("is_api_only", Kind::Bool),
    optional("enums", Kind::Array),
    optional("request_id", Kind::Text),
];
const ENUM: [Field; 3] =
    [required("value", Kind::Text), required("sort", Kind::Int), optional("code", Kind::OptText)];

/// Lists the fields of a type of records.
#[handler]
pub(crate) fn list(
    request: &Request,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let query = Query::of(request.uri());
    query.allow_filters(&["type"])?;
    let page = query.page(250)?;
    let types = query.many("filter[type]");
    let order = query.order(&["sort", "id"])?;
    let mut state = locked(&amo.inner.state);
    let crm = &state.content(caller.account_id).crm;
    let mut fields: Vec<&CustomField> = crm
        .fields
        .iter()
        .filter(|field| field.entity_type == of)
        .filter(|field| types.is_empty() || types.contains(&field.kind.name()))
        .collect();
    match order {
        Some(("sort", _)) => fields.sort_by_key(|field| (field.sort, field.id)),
        _ => fields.sort_by_key(|field| field.id),
    }
    if order.is_some_and(|(_, descending)| descending) {
        fields.reverse();
    }
    let fields: Vec<Value> = fields.into_iter().map(|field| field_json(field, &caller.host)).collect();
    Ok(hal_list_counted("custom_fields", &fields, page, &caller.host, request.original_uri()))
}

/// Reads a field.
#[handler]
pub(crate) fn one(
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let mut state = locked(&amo.inner.state);
    let fields = &state.content(caller.account_id).crm.fields;
    let field = fields.iter().find(|field| field.entity_type == of && field.id == id);
    let field = field.ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Field not found"))?;
    Ok(hal(&field_json(field, &caller.host)))
}

/// Adds fields; administrators only.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    caller.require_admin()?;
    let items = json_list(request.content_type(), &read(body).await?)?;
    refuse_any(&items, |item| complaints(item, of))?;
    let mut state = locked(&amo.inner.state);
    let mut told = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let field = new_field(item, of, || state.fresh_id());
        let mut body = field_json(&field, &caller.host);
        body["request_id"] = json!(request_id(item, index));
        told.push(body);
        state.content(caller.account_id).crm.fields.push(field);
    }
    let body = json!({"_total_items": told.len(), "_embedded": {"custom_fields": told}});
    Ok(json_with(StatusCode::CREATED, &body))
}

fn kind_of(item: &Map<String, Value>) -> Option<FieldKind> {
    let name = item.get("type").and_then(Value::as_str)?;
    FieldKind::named(name)
}

fn enums_of(item: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    let enums = item.get("enums").and_then(Value::as_array);
    enums.into_iter().flatten().filter_map(Value::as_object).collect()
}

fn complaints(item: &Map<String, Value>, of: EntityType) -> Vec<FieldError> {
    let mut complaints = check(item, &ADD, "");
    let kind = kind_of(item).filter(|kind| kind.can_be_added_to(of));
    if item.get("type").is_some_and(Value::is_string) && kind.is_none() {
        complaints.push(FieldError::not_a_choice("type"));
    }
    let enums = enums_of(item);
    if kind.is_some_and(FieldKind::is_choice) && enums.is_empty() {
        complaints.push(FieldError::new("FieldMissing", "enums", "This field is missing."));
    }
    if kind.is_some_and(|kind| !kind.is_choice()) && !enums.is_empty() {
        complaints.push(FieldError::not_a_choice("enums"));
    }
    for (index, value) in enums.into_iter().enumerate() {
        complaints.extend(check(value, &ENUM, &format!("enums.{index}.")));
    }
    complaints
}

fn new_field(item: &Map<String, Value>, of: EntityType, mut fresh_id: impl FnMut() -> u64) -> CustomField {
    let text =
        |object: &Map<String, Value>, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let sort = |object: &Map<String, Value>| object.get("sort").and_then(Value::as_i64);
    let enums = enums_of(item).into_iter().map(|value| FieldEnum {
        id: fresh_id(),
        value: text(value, "value").unwrap_or_default(),
        sort: sort(value).unwrap_or_default(),
        code: text(value, "code"),
    });
    let enums: Vec<FieldEnum> = enums.collect();
    CustomField {
        id: fresh_id(),
        entity_type: of,
        name: text(item, "name").unwrap_or_default(),
        code: text(item, "code"),
        sort: sort(item).unwrap_or(500),
        kind: kind_of(item).unwrap_or(FieldKind::Text),
        enums,
        is_predefined: false,
        is_api_only: item.get("is_api_only").and_then(Value::as_bool).unwrap_or_default(),
    }
}

fn field_json(field: &CustomField, host: &str) -> Value {
    let of = field.entity_type.plural();
    let enums: Vec<Value> = field
        .enums
        .iter()
        .map(|value| json!({"id": value.id, "value": value.value, "sort": value.sort, "code": value.code}))
        .collect();
    let mut body = json!({
        "id": field.id,
        "name": field.name,
        "code": field.code,
        "sort": field.sort,
        "type": field.kind.name(),
        "entity_type": of,
        "remind": null,
        "currency": null,
        "enums": if enums.is_empty() { Value::Null } else { Value::from(enums) },
        "is_api_only": field.is_api_only,
        "group_id": null,
        "required_statuses": null,
        "_links": {"self": {"href": format!("https://{host}/api/v4/{of}/custom_fields/{}", field.id)}},
    });
    if field.entity_type == EntityType::Leads {
        body["is_computed"] = json!(false);
        body["hidden_statuses"] = json!([]);
        body["chained_lists"] = Value::Null;
    } else {
        body["is_predefined"] = json!(field.is_predefined);
        body["is_deletable"] = json!(!field.is_predefined);
    }
    body
}
