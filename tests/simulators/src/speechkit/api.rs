//! Routes.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use poem::web::{Data, Json, Path};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, delete, get, handler, post};
use serde_json::Value;

use super::SpeechKit;
use super::behaviour::Behaviour;
use super::operation::OperationView;
use crate::index::index;
use crate::yandex::{Status, json_response};

/// Routes of recognition, and of operations for clients that use a single address.
pub(super) fn recognition(state: &SpeechKit) -> impl Endpoint + 'static {
    Route::new()
        .at("/stt/v3/recognizeFileAsync", post(submit))
        .at("/stt/v3/getRecognition", get(read_result))
        .at("/stt/v3/deleteRecognition", delete(delete_result))
        .at("/operations/:id", get(read_operation))
        .data(state.clone())
}

/// Routes of operations only.
pub(super) fn operations(state: &SpeechKit) -> impl Endpoint + 'static {
    Route::new().at("/operations/:id", get(read_operation)).data(state.clone())
}

/// Routes of the control API.
pub(super) fn sim_routes(state: &SpeechKit) -> Route {
    Route::new()
        .at("/", index(include_str!("index.md")))
        .at("/behaviour", get(read_behaviour).put(set_behaviour).data(state.clone()))
        .at("/operations", get(list_operations).data(state.clone()))
}

#[handler]
async fn submit(Data(state): Data<&SpeechKit>, headers: &HeaderMap, body: Bytes) -> Response {
    answer(state, state.submit(headers, &body).await)
}

/// `GET /operations/{id}`, and `GET /operations/{id}:cancel`, which is one path segment.
#[handler]
fn read_operation(
    Data(state): Data<&SpeechKit>,
    headers: &HeaderMap,
    Path(segment): Path<String>,
) -> Response {
    let shown = state.authorize(headers).and_then(|()| match segment.strip_suffix(":cancel") {
        Some(id) => state.cancel(id),
        None => state.check(&segment),
    });
    answer(state, shown)
}

#[handler]
fn read_result(Data(state): Data<&SpeechKit>, request: &Request) -> Response {
    state
        .authorize(request.headers())
        .and_then(|()| state.result(&operation_id(request)?))
        .unwrap_or_else(|status| state.refuse(&status))
}

#[handler]
fn delete_result(Data(state): Data<&SpeechKit>, request: &Request) -> Response {
    let outcome = state.authorize(request.headers()).and_then(|()| state.delete(&operation_id(request)?));
    answer(state, outcome)
}

fn answer(state: &SpeechKit, outcome: Result<Value, Status>) -> Response {
    match outcome {
        Ok(body) => json_response(StatusCode::OK, &body),
        Err(status) => state.refuse(&status),
    }
}

/// The id in the query, in either spelling of its name.
fn operation_id(request: &Request) -> Result<String, Status> {
    let query = request.uri().query().unwrap_or_default();
    let mut ids = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "operation_id" || name == "operationId")
        .map(|(_, id)| id.into_owned());
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Status::invalid("operation_id is not set")),
        (Some(_), Some(_)) => Err(Status::invalid("operation_id is set twice")),
    }
}

#[handler]
fn read_behaviour(Data(state): Data<&SpeechKit>) -> Json<Behaviour> {
    Json(state.behaviour())
}

#[handler]
fn set_behaviour(Data(state): Data<&SpeechKit>, Json(behaviour): Json<Behaviour>) -> Json<Behaviour> {
    state.behave(behaviour.clone());
    Json(behaviour)
}

#[handler]
fn list_operations(Data(state): Data<&SpeechKit>) -> Json<Vec<OperationView>> {
    Json(state.operations())
}
