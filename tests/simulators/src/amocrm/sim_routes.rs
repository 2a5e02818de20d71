//! Control API of the amoCRM simulator, under `/_sim`.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::index::index;

use super::jwt::WidgetTokenShape;
use super::model::{Account, Entity, Integration};
use super::scenario::{NewCall, ScenarioError};
use super::{Amocrm, Behaviour, CallOutcome};

impl From<ScenarioError> for poem::Error {
    fn from(error: ScenarioError) -> Self {
        let status = match error {
            ScenarioError::NotAnAdministrator
            | ScenarioError::OtherPlatform
            | ScenarioError::SubdomainTaken => StatusCode::CONFLICT,
            _ => StatusCode::NOT_FOUND,
        };
        Self::from_string(error.to_string(), status)
    }
}

pub(crate) fn routes(amo: &Amocrm) -> Route {
    let on = |endpoint: poem::RouteMethod| endpoint.data(amo.clone());
    super::crm::sim_routes(amo, super::pages::sim_routes(amo, Route::new()))
        .at("/", index(include_str!("index.md")))
        .at("/integrations", on(post(add_integration)))
        .at("/accounts", on(post(add_account)))
        .at("/rename", on(post(rename)))
        .at("/block", on(post(block)))
        .at("/unpaid", on(post(unpaid)))
        .at("/entities", on(post(add_entity)))
        .at("/install", on(post(install)))
        .at("/code", on(post(issue_code)))
        .at("/disable", on(post(disable)))
        .at("/revoke", on(post(revoke)))
        .at("/widget-token", on(post(widget_token)))
        .at("/call", on(post(add_call)))
        .at("/link", on(post(set_link)))
        .at("/fire", on(post(fire)))
        .at("/hooks", on(post(read_hooks)))
        .at("/enable-hook", on(post(enable_hook)))
        .at("/disable-hook", on(post(disable_hook)))
        .at("/remove-hook", on(post(remove_hook)))
        .at("/notes", on(post(read_notes)))
        .at("/lose-webhooks", on(post(lose_webhooks)))
        .at("/deliveries", on(get(read_deliveries)))
        .at("/behaviour", on(get(read_behaviour).put(set_behaviour)))
        .at("/egress", on(post(egress)))
}

type Outcome<T> = Result<T, ScenarioError>;

#[handler]
fn add_integration(Data(amo): Data<&Amocrm>, Json(integration): Json<Integration>) -> StatusCode {
    amo.add_integration(integration);
    StatusCode::NO_CONTENT
}

#[handler]
fn add_account(Data(amo): Data<&Amocrm>, Json(account): Json<Account>) -> Outcome<StatusCode> {
    amo.add_account(account)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    account: u64,
    subdomain: String,
}

#[handler]
fn rename(Data(amo): Data<&Amocrm>, Json(told): Json<Rename>) -> Outcome<StatusCode> {
    amo.rename(told.account, &told.subdomain)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    account: u64,
    blocked: bool,
}

#[handler]
fn block(Data(amo): Data<&Amocrm>, Json(told): Json<Block>) -> Outcome<StatusCode> {
    amo.change_account(told.account, |account| account.blocked = told.blocked)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unpaid {
    account: u64,
    since: Option<chrono::DateTime<chrono::Utc>>,
}

#[handler]
fn unpaid(Data(amo): Data<&Amocrm>, Json(told): Json<Unpaid>) -> Outcome<StatusCode> {
    amo.change_account(told.account, |account| account.unpaid_since = told.since)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddEntity {
    account: u64,
    entity: Entity,
}

#[handler]
fn add_entity(Data(amo): Data<&Amocrm>, Json(told): Json<AddEntity>) -> Outcome<StatusCode> {
    amo.add_entity(told.account, told.entity)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Install {
    account: u64,
    integration: String,
    #[serde(default)]
    user: Option<u64>,
}

#[handler]
async fn install(Data(amo): Data<&Amocrm>, Json(told): Json<Install>) -> Outcome<Json<CallOutcome>> {
    Ok(Json(amo.install(&told.integration, told.account, told.user).await?))
}

#[handler]
fn issue_code(Data(amo): Data<&Amocrm>, Json(told): Json<Install>) -> Outcome<Json<Value>> {
    Ok(Json(json!({"code": amo.issue_code(&told.integration, told.account, told.user)?})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disable {
    account: u64,
    integration: String,
    #[serde(default)]
    silently: bool,
}

#[handler]
fn revoke(Data(amo): Data<&Amocrm>, Json(told): Json<Revoke>) -> Outcome<StatusCode> {
    amo.revoke(&told.integration, told.account)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    account: u64,
    integration: String,
}

#[handler]
async fn disable(Data(amo): Data<&Amocrm>, Json(told): Json<Disable>) -> Outcome<Json<CallOutcome>> {
    Ok(Json(amo.disable(&told.integration, told.account, told.silently).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WidgetToken {
    account: u64,
    integration: String,
    user: u64,
    #[serde(default)]
    shape: WidgetTokenShape,
}

#[handler]
fn widget_token(Data(amo): Data<&Amocrm>, Json(told): Json<WidgetToken>) -> Outcome<Json<Value>> {
    let token = amo.widget_token(&told.integration, told.account, told.user, &told.shape)?;
    Ok(Json(json!({"token": token})))
}

#[handler]
fn add_call(Data(amo): Data<&Amocrm>, Json(told): Json<NewCall>) -> Outcome<Json<Value>> {
    let account = told.account;
    let note_id = amo.call(told)?;
    Ok(Json(json!({"note_id": note_id, "event_id": amo.event_of_note(account, note_id)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLink {
    account: u64,
    note_id: u64,
    link: Option<String>,
}

#[handler]
fn set_link(Data(amo): Data<&Amocrm>, Json(told): Json<SetLink>) -> Outcome<StatusCode> {
    amo.set_link(told.account, told.note_id, told.link.as_deref())?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fire {
    account: u64,
    note_ids: Vec<u64>,
}

#[handler]
fn fire(Data(amo): Data<&Amocrm>, Json(told): Json<Fire>) -> Outcome<StatusCode> {
    amo.fire_again(told.account, &told.note_ids)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    account: u64,
}

#[handler]
fn read_hooks(Data(amo): Data<&Amocrm>, Json(of): Json<Of>) -> Json<Value> {
    Json(json!(amo.hooks(of.account)))
}

#[handler]
fn read_notes(Data(amo): Data<&Amocrm>, Json(of): Json<Of>) -> Json<Value> {
    Json(json!(amo.notes(of.account)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneHook {
    account: u64,
    destination: String,
}

#[handler]
fn enable_hook(Data(amo): Data<&Amocrm>, Json(told): Json<OneHook>) -> Outcome<StatusCode> {
    amo.enable_hook(told.account, &told.destination)?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
fn disable_hook(Data(amo): Data<&Amocrm>, Json(told): Json<OneHook>) -> Outcome<StatusCode> {
    amo.disable_hook(told.account, &told.destination)?;
    Ok(StatusCode::NO_CONTENT)
}

#[handler]
fn remove_hook(Data(amo): Data<&Amocrm>, Json(told): Json<OneHook>) -> Outcome<StatusCode> {
    amo.remove_hook(told.account, &told.destination)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoseWebhooks {
    next: u32,
}

#[handler]
fn lose_webhooks(Data(amo): Data<&Amocrm>, Json(told): Json<LoseWebhooks>) -> StatusCode {
    amo.lose_webhooks(told.next);
    StatusCode::NO_CONTENT
}

#[handler]
fn read_deliveries(Data(amo): Data<&Amocrm>) -> Json<Value> {
    Json(json!(amo.deliveries()))
}

#[handler]
fn read_behaviour(Data(amo): Data<&Amocrm>) -> Json<Behaviour> {
    Json(amo.behaviour())
}

#[handler]
fn set_behaviour(Data(amo): Data<&Amocrm>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    amo.set_behaviour(behaviour);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Egress {
    origin: String,
    to: String,
}

#[handler]
fn egress(Data(amo): Data<&Amocrm>, Json(told): Json<Egress>) -> StatusCode {
    amo.route(&told.origin, &told.to);
    StatusCode::NO_CONTENT
}
