//! Adding and changing leads, contacts and companies, in batches or one (amoCRM docs, crm_platform/leads-api, contacts-api,
//! companies-api).

use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, handler};
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::fields::{json_list, json_object, request_id};
use super::super::guard::Caller;
use super::super::model::{Account, EntityType};
use super::super::notes_write::{read, refuse_any};
use super::super::problem::{HandlerResult, Problem, hal};
use super::super::records::{Record, pipeline};
use super::super::state::AmocrmState;
use super::hooks::Change;
use super::record_json::address;
use super::record_rules::{Deed, check_record, number, parse_links};
use super::record_type;
use super::tags::parse_tags;
use super::values::{self, parse_values};
use crate::lock::locked;

/// Adds records.
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
    add_records(amo, caller, of, &items)
}

/// Changes records.
#[handler]
pub(crate) async fn edit(
    request: &Request,
    body: Body,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let items = json_list(request.content_type(), &read(body).await?)?;
    edit_records(amo, caller, of, &items)
}

/// Changes one record.
#[handler]
pub(crate) async fn edit_one(
    request: &Request,
    body: Body,
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let mut item = json_object(request.content_type(), &read(body).await?)?;
    let is_known = locked(&amo.inner.state).content(caller.account_id).entities.contains_key(&(of, id));
    if !is_known {
        return Err(Problem::api(StatusCode::NOT_FOUND, "Not found"));
    }
    item.insert("id".to_owned(), json!(id));
    let told = write_edits(amo, caller, of, &[item])?;
    Ok(hal(&told.into_iter().next().unwrap_or_default()))
}

/// Adds records and tells the hooks.
pub(crate) fn add_records(
    amo: &Amocrm,
    caller: &Caller,
    of: EntityType,
    items: &[Map<String, Value>],
) -> HandlerResult {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let account = the_account(&state, caller)?;
    let content = &*state.content(caller.account_id);
    refuse_any(items, |item| check_record(item, of, Deed::Add, &account, content))?;
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let mut record = Record::new((of, state.fresh_id()), caller.user_id, now);
        write(&mut state, caller, &mut record, item, now);
        let key = record.key();
        told.push(json!({
            "id": record.id,
            "request_id": request_id(item, index),
            "_links": {"self": {"href": address(caller, key)}},
        }));
        changes.push(Change::added(key));
        state.content(caller.account_id).entities.insert(key, record);
    }
    drop(state);
    amo.fire_records(caller.account_id, of, &changes);
    Ok(batch(caller, of, &told))
}

/// Changes records and tells the hooks.
pub(crate) fn edit_records(
    amo: &Amocrm,
    caller: &Caller,
    of: EntityType,
    items: &[Map<String, Value>],
) -> HandlerResult {
    let told = write_edits(amo, caller, of, items)?;
    Ok(batch(caller, of, &told))
}

fn write_edits(
    amo: &Amocrm,
    caller: &Caller,
    of: EntityType,
    items: &[Map<String, Value>],
) -> Result<Vec<Value>, Problem> {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let account = the_account(&state, caller)?;
    let content = &*state.content(caller.account_id);
    refuse_any(items, |item| check_record(item, of, Deed::Edit, &account, content))?;
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    for item in items {
        let key = (of, number(item, "id").unwrap_or_default());
        let Some(former) = state.content(caller.account_id).entities.get(&key).cloned() else { continue };
        let mut record = former.clone();
        write(&mut state, caller, &mut record, item, now);
        told.push(json!({
            "id": record.id,
            "updated_at": record.updated_at,
            "_links": {"self": {"href": address(caller, key)}},
        }));
        changes.push(Change::between(&former, &record));
        state.content(caller.account_id).entities.insert(key, record);
    }
    drop(state);
    amo.fire_records(caller.account_id, of, &changes);
    Ok(told)
}

fn the_account(state: &AmocrmState, caller: &Caller) -> Result<Account, Problem> {
    let account = state.account(caller.account_id).cloned();
    account.ok_or_else(|| Problem::api(StatusCode::UNAUTHORIZED, "Account not found"))
}

fn batch(caller: &Caller, of: EntityType, told: &[Value]) -> poem::Response {
    let name = of.plural();
    hal(&json!({
        "_links": {"self": {"href": format!("https://{}/api/v4/{name}", caller.host)}},
        "_embedded": {(name): told},
    }))
}

/// Writes a checked item into a record.
fn write(state: &mut AmocrmState, caller: &Caller, record: &mut Record, item: &Map<String, Value>, now: i64) {
    let of = record.entity_type;
    let content = state.content(caller.account_id);
    let changes = parse_values(item, &content.crm.fields, of).unwrap_or_default();
    let links = parse_links(item, content).unwrap_or_default();
    let tags = parse_tags(item, &content.crm, of).unwrap_or_default();
    let present = std::mem::take(&mut record.tags);
    record.tags = state.changed_tags(caller.account_id, of, present, tags);
    values::apply(record, changes);
    for (to, is_main) in links {
        record.link(to, is_main);
    }
    write_names(record, item);
    write_status(record, item, now);
    let time = |name: &str| item.get(name).and_then(Value::as_i64);
    record.responsible_user_id = number(item, "responsible_user_id").unwrap_or(record.responsible_user_id);
    record.created_by = number(item, "created_by").unwrap_or(record.created_by);
    record.updated_by = number(item, "updated_by").unwrap_or(caller.user_id);
    record.created_at = time("created_at").unwrap_or(record.created_at);
    record.updated_at = time("updated_at").unwrap_or(now);
}

/// A contact that gives only first and last name is called by both.
fn write_names(record: &mut Record, item: &Map<String, Value>) {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let parts = (text("first_name"), text("last_name"));
    if let Some(first) = parts.0 {
        first.clone_into(&mut record.first_name);
    }
    if let Some(last) = parts.1 {
        last.clone_into(&mut record.last_name);
    }
    if let Some(name) = text("name") {
        name.clone_into(&mut record.name);
    } else if parts != (None, None) {
        format!("{} {}", record.first_name, record.last_name).trim().clone_into(&mut record.name);
    }
}

/// A lead that comes to its end is closed now, unless the item says when; one that leaves it is open again.
fn write_status(record: &mut Record, item: &Map<String, Value>, now: i64) {
    record.price = item.get("price").and_then(Value::as_i64).unwrap_or(record.price);
    record.status_id = number(item, "status_id").unwrap_or(record.status_id);
    let told = item.get("closed_at").and_then(Value::as_i64);
    record.closed_at =
        if pipeline::is_final(record.status_id) { told.or(record.closed_at).or(Some(now)) } else { None };
}
