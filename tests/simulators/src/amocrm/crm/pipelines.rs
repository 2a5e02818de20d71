//! `/leads/pipelines`: the pipeline of an account with its statuses (amoCRM docs, crm_platform/leads-pipelines).

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};
use serde_json::{Value, json};

use super::super::guard::Caller;
use super::super::problem::{HandlerResult, Problem, hal};
use super::super::records::pipeline::{PIPELINE_ID, STATUSES, is_final};

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
