//! Control API of the pages, under `/_sim`.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Route, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Amocrm;
use super::super::scenario::ScenarioError;
use super::{History, PageOptions};

/// Adds the routes of the pages.
pub(crate) fn routes(amo: &Amocrm, sim: Route) -> Route {
    let on = |endpoint: poem::RouteMethod| endpoint.data(amo.clone());
    sim.at("/widget", on(post(serve_widget)))
        .at("/page", on(post(set_options)))
        .at("/history", on(post(add_history)))
        .at("/rerender", on(post(rerender)))
}

type Outcome<T> = Result<T, ScenarioError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Widget {
    code: String,
    /// A directory, or a `widget.zip`.
    source: std::path::PathBuf,
}

#[handler]
fn serve_widget(Data(amo): Data<&Amocrm>, Json(told): Json<Widget>) -> StatusCode {
    amo.serve_widget(&told.code, told.source);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    account: u64,
    options: PageOptions,
}

#[handler]
fn set_options(Data(amo): Data<&Amocrm>, Json(told): Json<Options>) -> Outcome<StatusCode> {
    amo.set_page_options(told.account, told.options)?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
fn add_history(Data(amo): Data<&Amocrm>, Json(told): Json<History>) -> Outcome<Json<Value>> {
    Ok(Json(json!({ "note_ids": amo.history(&told)? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneNote {
    account: u64,
    note_id: u64,
}

/// Open pages draw the note again inside its wrapper.
#[handler]
fn rerender(Data(amo): Data<&Amocrm>, Json(told): Json<OneNote>) -> Outcome<StatusCode> {
    let note = amo.notes(told.account).into_iter().find(|note| note.id == told.note_id);
    amo.announce(&note.ok_or(ScenarioError::UnknownNote)?, false);
    Ok(StatusCode::NO_CONTENT)
}
