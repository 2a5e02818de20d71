//! Adding, changing and completing tasks (amoCRM docs, crm_platform/tasks-api).

use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::fields::{Field, Kind, check, json_list, json_object, optional, request_id, required};
use super::super::guard::Caller;
use super::super::model::{Account, EntityType};
use super::super::notes_write::{read, refuse_any};
use super::super::problem::{FieldError, HandlerResult, Problem, hal};
use super::super::records::{Key, Task};
use super::super::state::Content;
use super::hooks::TaskChange;
use super::record_rules::{Deed, check_users, number};
use super::tasks::address;
use crate::lock::locked;

/// A call and a meeting.
const TYPES: [u64; 2] = [1, 2];

const COMMON: [Field; 12] = [
    optional("responsible_user_id", Kind::Int),
    optional("entity_id", Kind::Int),
    optional("entity_type", Kind::Text),
    optional("is_completed", Kind::Bool),
    optional("task_type_id", Kind::Int),
    optional("duration", Kind::Int),
    optional("result", Kind::Object),
    optional("created_by", Kind::Int),
    optional("updated_by", Kind::Int),
    optional("created_at", Kind::Int),
    optional("updated_at", Kind::Int),
    optional("request_id", Kind::Text),
];
const OF_NEW: [Field; 2] = [required("text", Kind::Text), required("complete_till", Kind::Int)];
/// The docs call text and time required in a change, too, and complete a task without them.
const OF_EDITS: [Field; 3] =
    [required("id", Kind::Int), optional("text", Kind::Text), optional("complete_till", Kind::Int)];
const RESULT: [Field; 1] = [required("text", Kind::Text)];

/// Adds tasks.
#[handler]
pub(crate) async fn add(
    request: &Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    add_tasks(amo, caller, &items)
}

/// Changes tasks.
#[handler]
pub(crate) async fn edit(
    request: &Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let items = json_list(request.content_type(), &read(body).await?)?;
    edit_tasks(amo, caller, &items)
}

/// Changes one task.
#[handler]
pub(crate) async fn edit_one(
    request: &Request,
    body: Body,
    Path(id): Path<u64>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let mut item = json_object(request.content_type(), &read(body).await?)?;
    if !locked(&amo.inner.state).content(caller.account_id).crm.tasks.contains_key(&id) {
        return Err(Problem::api(StatusCode::NOT_FOUND, "Not found"));
    }
    item.insert("id".to_owned(), json!(id));
    let told = write_edits(amo, caller, &[item])?;
    Ok(hal(&told.into_iter().next().unwrap_or_default()))
}

/// Adds tasks and tells the hooks.
pub(crate) fn add_tasks(amo: &Amocrm, caller: &Caller, items: &[Map<String, Value>]) -> HandlerResult {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).cloned().ok_or_else(no_account)?;
    let content = &*state.content(caller.account_id);
    refuse_any(items, |item| complaints(item, Deed::Add, &account, content))?;
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let mut task = new_task(state.fresh_id(), caller.user_id, now);
        write(&mut task, item, caller, now);
        told.push(json!({
            "id": task.id,
            "request_id": request_id(item, index),
            "_links": {"self": {"href": address(caller, task.id)}},
        }));
        changes.push(TaskChange::added(&task));
        state.content(caller.account_id).crm.tasks.insert(task.id, task);
    }
    drop(state);
    amo.fire_tasks(caller.account_id, &changes);
    Ok(batch(caller, &told))
}

/// Changes tasks and tells the hooks.
pub(crate) fn edit_tasks(amo: &Amocrm, caller: &Caller, items: &[Map<String, Value>]) -> HandlerResult {
    let told = write_edits(amo, caller, items)?;
    Ok(batch(caller, &told))
}

fn write_edits(amo: &Amocrm, caller: &Caller, items: &[Map<String, Value>]) -> Result<Vec<Value>, Problem> {
    let now = amo.control().clock().now().timestamp();
    let mut state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).cloned().ok_or_else(no_account)?;
    let content = state.content(caller.account_id);
    refuse_any(items, |item| complaints(item, Deed::Edit, &account, content))?;
    let (mut told, mut changes) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let id = number(item, "id").unwrap_or_default();
        let Some(task) = content.crm.tasks.get_mut(&id) else { continue };
        let former = task.clone();
        write(task, item, caller, now);
        told.push(json!({
            "id": id,
            "updated_at": task.updated_at,
            "request_id": request_id(item, index),
            "_links": {"self": {"href": address(caller, id)}},
        }));
        changes.push(TaskChange::between(&former, task));
    }
    drop(state);
    amo.fire_tasks(caller.account_id, &changes);
    Ok(told)
}

fn no_account() -> Problem {
    Problem::api(StatusCode::UNAUTHORIZED, "Account not found")
}

fn batch(caller: &Caller, told: &[Value]) -> Response {
    let href = format!("https://{}/api/v4/tasks", caller.host);
    hal(&json!({"_links": {"self": {"href": href}}, "_embedded": {"tasks": told}}))
}

fn new_task(id: u64, user_id: u64, now: i64) -> Task {
    Task {
        id,
        text: String::new(),
        about: None,
        type_id: TYPES[0],
        complete_till: now,
        duration: 0,
        is_completed: false,
        result: None,
        responsible_user_id: user_id,
        created_by: user_id,
        updated_by: user_id,
        created_at: now,
        updated_at: now,
    }
}

fn complaints(
    item: &Map<String, Value>,
    deed: Deed,
    account: &Account,
    content: &Content,
) -> Vec<FieldError> {
    let own: &[Field] = if deed == Deed::Add { &OF_NEW } else { &OF_EDITS };
    let mut complaints = check(item, &[&COMMON[..], own].concat(), "");
    complaints.extend(check_users(item, account));
    if let Some(result) = item.get("result").and_then(Value::as_object) {
        complaints.extend(check(result, &RESULT, "result."));
    }
    if number(item, "task_type_id").is_some_and(|id| !TYPES.contains(&id)) {
        complaints.push(FieldError::not_a_choice("task_type_id"));
    }
    if deed == Deed::Edit && number(item, "id").is_some_and(|id| !content.crm.tasks.contains_key(&id)) {
        complaints.push(FieldError::not_a_choice("id"));
    }
    complaints.extend(check_about(item, content));
    complaints
}

/// A record is named by type and id, and exists.
fn check_about(item: &Map<String, Value>, content: &Content) -> Option<FieldError> {
    let missing = |name: &str| Some(FieldError::new("FieldMissing", name, "This field is missing."));
    match (item.contains_key("entity_type"), item.contains_key("entity_id")) {
        (false, false) => None,
        (false, true) => missing("entity_type"),
        (true, false) => missing("entity_id"),
        (true, true) if about(item).is_some_and(|key| content.entities.contains_key(&key)) => None,
        (true, true) => Some(FieldError::not_a_choice("entity_id")),
    }
}

fn about(item: &Map<String, Value>) -> Option<Key> {
    let of = item.get("entity_type").and_then(Value::as_str)?;
    let of = EntityType::ALL.into_iter().find(|known| known.plural() == of)?;
    Some((of, number(item, "entity_id")?))
}

/// Writes a checked item into a task.
fn write(task: &mut Task, item: &Map<String, Value>, caller: &Caller, now: i64) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let time = |name: &str| item.get(name).and_then(Value::as_i64);
    if let Some(text) = text(item.get("text")) {
        task.text = text;
    }
    if let Some(result) = text(item.get("result").and_then(|result| result.get("text"))) {
        task.result = Some(result);
    }
    task.about = about(item).or(task.about);
    task.type_id = number(item, "task_type_id").unwrap_or(task.type_id);
    task.complete_till = time("complete_till").unwrap_or(task.complete_till);
    task.duration = time("duration").unwrap_or(task.duration);
    task.is_completed = item.get("is_completed").and_then(Value::as_bool).unwrap_or(task.is_completed);
    task.responsible_user_id = number(item, "responsible_user_id").unwrap_or(task.responsible_user_id);
    task.created_by = number(item, "created_by").unwrap_or(task.created_by);
    task.updated_by = number(item, "updated_by").unwrap_or(caller.user_id);
    task.created_at = time("created_at").unwrap_or(task.created_at);
    task.updated_at = time("updated_at").unwrap_or(now);
}
