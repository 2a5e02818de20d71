//! The T-Bank simulator's own control API, under `/_sim`.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Ending, Terminal};
use super::notices::Forged;
use super::payer::SceneError;
use super::{Behaviour, TBank};

pub(super) fn routes(bank: &TBank) -> Route {
    let on = |endpoint: poem::RouteMethod| endpoint.data(bank.clone());
    Route::new()
        .at("/payments", on(get(read_payments)))
        .at("/notices", on(get(read_notices)))
        .at("/behaviour", on(get(read_behaviour).put(set_behaviour)))
        .at("/terminals", on(post(add_terminal)))
        .at("/pay", on(post(pay)))
        .at("/settle", on(post(settle)))
        .at("/refund", on(post(end_refund)))
        .at("/notice", on(post(forge)))
        .at("/rebill", on(post(script_rebill)))
}

type Held<'a> = Data<&'a TBank>;
type Outcome<T> = Result<T, SceneError>;

#[handler]
fn read_payments(Data(bank): Held<'_>) -> Json<Value> {
    Json(json!(bank.payments()))
}

#[handler]
fn read_notices(Data(bank): Held<'_>) -> Json<Value> {
    Json(json!(bank.deliveries()))
}

#[handler]
fn read_behaviour(Data(bank): Held<'_>) -> Json<Behaviour> {
    Json(bank.behaviour())
}

#[handler]
fn set_behaviour(Data(bank): Held<'_>, Json(behaviour): Json<Behaviour>) -> Json<Behaviour> {
    bank.behave(behaviour.clone());
    Json(behaviour)
}

#[handler]
fn add_terminal(Data(bank): Held<'_>, Json(terminal): Json<Terminal>) -> StatusCode {
    bank.add_terminal(terminal);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    payment_id: String,
    card: String,
}

#[handler]
fn pay(Data(bank): Held<'_>, Json(told): Json<Pay>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.pay(&told.payment_id, &told.card)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    payment_id: String,
    ending: Ending,
}

#[handler]
fn settle(Data(bank): Held<'_>, Json(told): Json<Settle>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.settle(&told.payment_id, told.ending)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Returned {
    payment_id: String,
    arrives: bool,
}

#[handler]
fn end_refund(Data(bank): Held<'_>, Json(told): Json<Returned>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.end_refund(&told.payment_id, told.arrives)?)))
}

#[handler]
fn forge(Data(bank): Held<'_>, Json(forged): Json<Forged>) -> Outcome<StatusCode> {
    bank.forge(&forged)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebills {
    rebill_id: u64,
    next: Vec<Ending>,
}

#[handler]
fn script_rebill(Data(bank): Held<'_>, Json(told): Json<Rebills>) -> Outcome<StatusCode> {
    bank.script_rebill(told.rebill_id, told.next)?;
    Ok(StatusCode::NO_CONTENT)
}
