//! `/leads/pipelines`: the pipeline of an account with its statuses (amoCRM docs, crm_platform/leads-pipelines).
//!
//! Every account has the same one, and it does not change. 142 and 143 are the same in every pipeline of amoCRM.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};
use serde_json::{Value, json};

use super::super::guard::Caller;
use super::super::problem::{HandlerResult, Problem, hal};

pub(crate) const PIPELINE_ID: u64 = 5_000_001;
/// Status of a lead that names none: the first one after the incoming leads.
pub(crate) const FIRST_STATUS_ID: u64 = 5_000_012;
/// Successfully ended.
pub(crate) const WON_STATUS_ID: u64 = 142;
/// Ended without success.
pub(crate) const LOST_STATUS_ID: u64 = 143;

/// Id, name, position, colour of each status. The first holds incoming leads.
const STATUSES: [(u64, &str, u32, &str); 6] = [
    (5_000_011, "Неразобранное", 10, "#c1c1c1"),
    (FIRST_STATUS_ID, "Первичный контакт", 20, "#99ccff"),
    (5_000_013, "Переговоры", 30, "#ffff99"),
    (5_000_014, "Принимают решение", 40, "#ffcc66"),
    (WON_STATUS_ID, "Успешно реализовано", 10_000, "#CCFF66"),
    (LOST_STATUS_ID, "Закрыто и не реализовано", 11_000, "#D5D8DB"),
];

/// Whether a lead with this status is closed.
pub(crate) fn is_final(status_id: u64) -> bool {
    matches!(status_id, WON_STATUS_ID | LOST_STATUS_ID)
}

/// Whether the pipeline has this status.
pub(crate) fn has_status(status_id: u64) -> bool {
    STATUSES.iter().any(|(id, ..)| *id == status_id)
}

/// Lists the pipelines.
#[handler]
pub(crate) fn list(Data(caller): Data<&Caller>) -> Response {
    hal(&json!({
        "_total_items": 1,
        "_links": {"self": {"href": address(caller, "")}},
        "_embedded": {"pipelines": [pipeline(caller)]},
    }))
}

/// Reads the pipeline.
#[handler]
pub(crate) fn one(Path(id): Path<u64>, Data(caller): Data<&Caller>) -> HandlerResult {
    the_pipeline(id)?;
    Ok(hal(&pipeline(caller)))
}

/// Lists the statuses.
#[handler]
pub(crate) fn statuses(Path(id): Path<u64>, Data(caller): Data<&Caller>) -> HandlerResult {
    the_pipeline(id)?;
    Ok(hal(&json!({
        "_total_items": STATUSES.len(),
        "_links": {"self": {"href": address(caller, &format!("/{PIPELINE_ID}/statuses"))}},
        "_embedded": {"statuses": all_statuses(caller)},
    })))
}

/// Reads a status.
#[handler]
pub(crate) fn show_status(
    Path((pipeline, id)): Path<(u64, u64)>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    the_pipeline(pipeline)?;
    let found = all_statuses(caller).into_iter().find(|status| status["id"] == json!(id));
    Ok(hal(&found.ok_or_else(not_found)?))
}

fn the_pipeline(id: u64) -> Result<(), Problem> {
    if id == PIPELINE_ID { Ok(()) } else { Err(not_found()) }
}

fn not_found() -> Problem {
    Problem::api(StatusCode::NOT_FOUND, "Not found")
}

fn address(caller: &Caller, rest: &str) -> String {
    format!("https://{}/api/v4/leads/pipelines{rest}", caller.host)
}

fn pipeline(caller: &Caller) -> Value {
    json!({
        "id": PIPELINE_ID,
        "name": "Воронка",
        "sort": 1,
        "is_main": true,
        "is_unsorted_on": true,
        "is_archive": false,
        "account_id": caller.account_id,
        "_links": {"self": {"href": address(caller, &format!("/{PIPELINE_ID}"))}},
        "_embedded": {"statuses": all_statuses(caller)},
    })
}

fn all_statuses(caller: &Caller) -> Vec<Value> {
    let status = |(index, (id, name, sort, color)): (usize, &(u64, &str, u32, &str))| {
        json!({
            "id": id,
            "name": name,
            "sort": sort,
            "is_editable": index > 0 && !is_final(*id),
            "pipeline_id": PIPELINE_ID,
            "color": color,
            "type": u8::from(index == 0),
            "account_id": caller.account_id,
            "_links": {"self": {"href": address(caller, &format!("/{PIPELINE_ID}/statuses/{id}"))}},
        })
    };
    STATUSES.iter().enumerate().map(status).collect()
}
