//! Control API of the T-Bank simulator, under `/_sim`.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::index::index;

use super::model::{ChargeAnswer, ChargeScript, Ending, Terminal};
use super::notifications::Forged;
use super::scenario_error::ScenarioError;
use super::{Behaviour, OwnCard, TBank};

pub(super) fn routes(bank: &TBank) -> Route {
    let on = |endpoint: poem::RouteMethod| endpoint.data(bank.clone());
    Route::new()
        .at("/", index(include_str!("index.md")))
        .at("/payments", on(get(read_payments)))
        .at("/notifications", on(get(read_notifications)))
        .at("/behaviour", on(get(read_behaviour).put(set_behaviour)))
        .at("/terminals", on(post(add_terminal)))
        .at("/cards", on(get(read_cards).post(add_card)))
        .at("/lose", on(post(lose)))
        .at("/pay", on(post(pay)))
        .at("/settle", on(post(settle)))
        .at("/refund", on(post(end_refund)))
        .at("/notification", on(post(forge)))
        .at("/rebill", on(post(script_rebill)))
        .at("/bind", on(post(bind_card)))
}

type BankData<'a> = Data<&'a TBank>;
type Outcome<T> = Result<T, ScenarioError>;

#[handler]
fn read_payments(Data(bank): BankData<'_>) -> Json<Value> {
    Json(json!(bank.payments()))
}

#[handler]
fn read_notifications(Data(bank): BankData<'_>) -> Json<Value> {
    Json(json!(bank.deliveries()))
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
fn add_terminal(Data(bank): BankData<'_>, Json(terminal): Json<Terminal>) -> StatusCode {
    bank.add_terminal(terminal);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCard {
    title: String,
    form: Ending,
    #[serde(default)]
    charges: Vec<Ending>,
    charge: Ending,
}

#[handler]
fn read_cards(Data(bank): BankData<'_>) -> Json<Vec<OwnCard>> {
    Json(bank.own_cards())
}

#[handler]
fn add_card(Data(bank): BankData<'_>, Json(told): Json<NewCard>) -> Json<OwnCard> {
    Json(bank.add_card(&told.title, told.form, told.charges, told.charge))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lose {
    changes: u32,
}

#[handler]
fn lose(Data(bank): BankData<'_>, Json(told): Json<Lose>) -> StatusCode {
    bank.lose_notifications(told.changes);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    payment_id: String,
    card: String,
}

#[handler]
fn pay(Data(bank): BankData<'_>, Json(told): Json<Pay>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.pay(&told.payment_id, &told.card)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    payment_id: String,
    ending: Ending,
}

#[handler]
fn settle(Data(bank): BankData<'_>, Json(told): Json<Settle>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.settle(&told.payment_id, told.ending)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Returned {
    payment_id: String,
    arrives: bool,
}

#[handler]
fn end_refund(Data(bank): BankData<'_>, Json(told): Json<Returned>) -> Outcome<Json<Value>> {
    Ok(Json(json!(bank.end_refund(&told.payment_id, told.arrives)?)))
}

#[handler]
fn forge(Data(bank): BankData<'_>, Json(forged): Json<Forged>) -> Outcome<StatusCode> {
    bank.forge(&forged)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebills {
    rebill_id: u64,
    next: Vec<NextCharge>,
}

/// A result, or a result with the fate of its answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum NextCharge {
    Script { ending: Ending, answer: ChargeAnswer },
    Ending(Ending),
}

impl From<NextCharge> for ChargeScript {
    fn from(next: NextCharge) -> Self {
        match next {
            NextCharge::Script { ending, answer } => Self { ending, answer },
            NextCharge::Ending(ending) => ending.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Binding {
    terminal: String,
    customer_key: String,
    card: String,
}

#[handler]
fn bind_card(Data(bank): BankData<'_>, Json(told): Json<Binding>) -> Outcome<Json<Value>> {
    let rebill_id = bank.bind_card(&told.terminal, &told.customer_key, &told.card)?;
    Ok(Json(json!({ "rebill_id": rebill_id })))
}

#[handler]
fn script_rebill(Data(bank): BankData<'_>, Json(told): Json<Rebills>) -> Outcome<StatusCode> {
    bank.script_rebill(told.rebill_id, told.next)?;
    Ok(StatusCode::NO_CONTENT)
}
