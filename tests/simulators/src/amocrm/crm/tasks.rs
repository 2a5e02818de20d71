//! Tasks: lists and one of them (amoCRM docs, crm_platform/tasks-api).
//!
//! The account has the two types that every account has: 1, a call, and 2, a meeting.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, Response, handler};
use serde_json::{Value, json};

use super::super::Amocrm;
use super::super::guard::Caller;
use super::super::problem::{HandlerResult, Problem, hal};
use super::super::query::{Query, hal_list};
use super::super::records::{Key, Task};
use crate::lock::locked;

#[handler]
pub(crate) fn list(
    request: &Request,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let query = Query::of(request.uri());
    query.allow_filters(&[
        "id",
        "responsible_user_id",
        "is_completed",
        "task_type",
        "entity_type",
        "entity_id",
        "updated_at",
    ])?;
    let page = query.page(250)?;
    let order = query.order(&["created_at", "complete_till", "id"])?;
    let numbers = |name: &str| query.numbers(&format!("filter[{name}]"));
    let (ids, users) = (numbers("id")?, numbers("responsible_user_id")?);
    let (types, about_ids, states) = (numbers("task_type")?, numbers("entity_id")?, numbers("is_completed")?);
    let about_types = query.many("filter[entity_type]");
    if !about_ids.is_empty() && about_types.is_empty() {
        return Err(Problem::invalid("FieldMissing", "filter[entity_type]", "This field is missing."));
    }
    let (from, to) = query.range("filter[updated_at]")?;
    let among = |wanted: &[u64], id: u64| wanted.is_empty() || wanted.contains(&id);
    let mut state = locked(&amo.inner.state);
    let mut tasks: Vec<&Task> = state
        .content(caller.account_id)
        .crm
        .tasks
        .values()
        .filter(|task| among(&ids, task.id) && among(&users, task.responsible_user_id))
        .filter(|task| among(&types, task.type_id) && among(&states, u64::from(task.is_completed)))
        .filter(|task| {
            let is_type = |about: Key| about_types.contains(&about.0.plural());
            about_types.is_empty()
                || task.about.is_some_and(|about| is_type(about) && among(&about_ids, about.1))
        })
        .filter(|task| (from..=to).contains(&u64::try_from(task.updated_at).unwrap_or_default()))
        .collect();
    match order {
        Some(("created_at", _)) => tasks.sort_by_key(|task| (task.created_at, task.id)),
        Some(("complete_till", _)) => tasks.sort_by_key(|task| (task.complete_till, task.id)),
        _ => tasks.sort_by_key(|task| task.id),
    }
    if order.is_some_and(|(_, descending)| descending) {
        tasks.reverse();
    }
    let tasks: Vec<Value> = tasks.into_iter().map(|task| task_json(task, caller)).collect();
    Ok(hal_list("tasks", &tasks, page, &caller.host, request.original_uri()))
}

/// Reads a task; 204 without a body if there is none, as for records.
#[handler]
pub(crate) fn one(Path(id): Path<u64>, Data(amo): Data<&Amocrm>, Data(caller): Data<&Caller>) -> Response {
    let mut state = locked(&amo.inner.state);
    match state.content(caller.account_id).crm.tasks.get(&id) {
        Some(task) => hal(&task_json(task, caller)),
        None => Response::builder().status(StatusCode::NO_CONTENT).finish(),
    }
}

/// Address of a task in the API.
pub(crate) fn address(caller: &Caller, id: u64) -> String {
    format!("https://{}/api/v4/tasks/{id}", caller.host)
}

fn task_json(task: &Task, caller: &Caller) -> Value {
    json!({
        "id": task.id,
        "created_by": task.created_by,
        "updated_by": task.updated_by,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "responsible_user_id": task.responsible_user_id,
        "group_id": 0,
        "entity_id": task.about.map(|about| about.1),
        "entity_type": task.about.map(|about| about.0.plural()),
        "duration": task.duration,
        "is_completed": task.is_completed,
        "task_type_id": task.type_id,
        "text": task.text,
        // PHP's empty array.
        "result": task.result.as_ref().map_or_else(|| json!([]), |text| json!({"text": text})),
        "complete_till": task.complete_till,
        "account_id": caller.account_id,
        "_links": {"self": {"href": address(caller, task.id)}},
    })
}
