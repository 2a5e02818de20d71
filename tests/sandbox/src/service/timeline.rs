//! The timeline: everything that happened.

use poem::handler;
use poem::web::{Data, Json, Query};
use serde::Deserialize;

use super::control::ControlData;
use super::journal::{Filter, Page};
use super::problem::Problem;

/// Entries of a page, unless another number is asked for, and at most.
const USUAL_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    after: u64,
    #[serde(rename = "type")]
    kind: Option<String>,
    account_id: Option<u64>,
    limit: Option<usize>,
}

/// Entries after a number, oldest first.
#[handler]
pub(super) async fn read(
    Data(control): ControlData<'_>,
    asked: poem::Result<Query<Asked>>,
) -> Result<Json<Page>, Problem> {
    let Query(asked) = asked.map_err(Problem::invalid)?;
    let limit = asked.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` is 1 to {MAX_LIMIT}")));
    }
    let scene = control.scene()?;
    // What happened since the last job, such as a charge by the backend, is told too.
    scene.look().await?;
    let filter = Filter { after: asked.after, kind: asked.kind, account_id: asked.account_id };
    Ok(Json(scene.journal.read(&filter, limit)))
}
