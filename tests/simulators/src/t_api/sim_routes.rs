//! Control API of the T-API simulator, under `/_sim`.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TApi;
use super::model::{Behaviour, Transfer};
use crate::index::index;

pub(super) fn routes(bank: &TApi) -> Route {
    let on = |endpoint: poem::RouteMethod| endpoint.data(bank.clone());
    Route::new()
        .at("/", index(include_str!("index.md")))
        .at("/invoices", on(get(read_invoices)))
        .at("/operations", on(get(read_operations)))
        .at("/behaviour", on(get(read_behaviour).put(set_behaviour)))
        .at("/credit", on(post(credit)))
        .at("/pay", on(post(pay)))
        .at("/change-ids", on(post(change_ids)))
}

type BankData<'a> = Data<&'a TApi>;

#[handler]
fn read_invoices(Data(bank): BankData<'_>) -> Json<Value> {
    Json(json!(bank.invoices()))
}

#[handler]
fn read_operations(Data(bank): BankData<'_>) -> Json<Value> {
    Json(json!(bank.operations()))
}

#[handler]
fn read_behaviour(Data(bank): BankData<'_>) -> Json<Behaviour> {
    Json(bank.behaviour())
}

#[handler]
fn set_behaviour(Data(bank): BankData<'_>, Json(behaviour): Json<Behaviour>) -> Json<Behaviour> {
    bank.behave(behaviour.clone());
    Json(behaviour)
}

#[handler]
fn credit(Data(bank): BankData<'_>, Json(transfer): Json<Transfer>) -> Json<Value> {
    Json(json!({ "operation_id": bank.credit(transfer) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    number: String,
}

#[handler]
fn pay(Data(bank): BankData<'_>, Json(told): Json<Pay>) -> poem::Result<Json<Value>> {
    let paid = bank.pay(&told.number).ok_or_else(|| poem::Error::from_status(StatusCode::NOT_FOUND))?;
    Ok(Json(json!({ "operation_id": paid })))
}

#[handler]
fn change_ids(Data(bank): BankData<'_>) -> StatusCode {
    bank.change_ids();
    StatusCode::NO_CONTENT
}
