//! The timeline: everything that happened.

use std::str::FromStr;

use poem::handler;
use poem::web::{Data, Json, Query};
use serde::Deserialize;

use super::control::ControlData;
use super::journal::{Filter, Page};
use super::occurrence::Kind;
use super::problem::Problem;

/// Entries of a page, unless another number is asked for, and at most.
const USUAL_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

/// Texts, so that an error can name the parameter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    account_id: Option<String>,
    limit: Option<String>,
}

/// Entries after a number, oldest first.
#[handler]
pub(super) async fn read(
    Data(control): ControlData<'_>,
    asked: poem::Result<Query<Asked>>,
) -> Result<Json<Page>, Problem> {
    let Query(asked) = asked.map_err(Problem::invalid)?;
    let limit = number("limit", asked.limit)?.unwrap_or(USUAL_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` is 1 to {MAX_LIMIT}")));
    }
    let filter = Filter {
        after: number("after", asked.after)?.unwrap_or_default(),
        kind: asked.kind.as_deref().map(kind_named).transpose()?,
        account_id: number("account_id", asked.account_id)?,
    };
    let scene = control.scene()?;
    // What happened since the last job, such as a charge by the backend, is told too.
    scene.look().await?;
    Ok(Json(scene.journal.read(&filter, limit)))
}

/// The number in a parameter.
fn number<T: FromStr>(name: &str, text: Option<String>) -> Result<Option<T>, Problem> {
    let wrong = |text: &str| Problem::invalid(format!("`{name}` is a whole number, not `{text}`"));
    text.map(|text| text.parse().map_err(|_| wrong(&text))).transpose()
}

/// The type of entries with this word.
fn kind_named(word: &str) -> Result<Kind, Problem> {
    Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::word).join(", ");
        Problem::invalid(format!("`type` is one of {known}, not `{word}`"))
    })
}
