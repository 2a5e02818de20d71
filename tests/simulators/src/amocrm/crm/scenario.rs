//! `POST /_sim/records`: a user of the account works in amoCRM: adds and changes leads, contacts, companies and tasks. Hooks are
//! sent as for requests to the API.

use poem::web::{Data, Json};
use poem::{EndpointExt as _, Response, Result, Route, handler, post};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::Amocrm;
use super::super::guard::Caller;
use super::super::problem::{HandlerResult, Problem};
use super::super::scenario::ScenarioError;
use super::record_type;
use super::record_write::{add_records, edit_records};
use super::task_write::{add_tasks, edit_tasks};
use crate::lock::locked;

/// What a user does. The items are those of the API's methods.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    account: u64,
    /// By default the account's first user.
    #[serde(default)]
    user: Option<u64>,
    /// `leads`, `contacts`, `companies` or `tasks`.
    entity_type: String,
    #[serde(default)]
    add: Vec<Map<String, Value>>,
    #[serde(default)]
    edit: Vec<Map<String, Value>>,
}

/// Adds the route.
pub(crate) fn routes(amo: &Amocrm, sim: Route) -> Route {
    sim.at("/records", post(change_records).data(amo.clone()))
}

/// Adds, then changes. The answer is the API's to the last of the two.
#[handler]
fn change_records(Data(amo): Data<&Amocrm>, Json(work): Json<Work>) -> Result<Response> {
    let caller = caller_of(amo, &work)?;
    Ok(perform(amo, &caller, &work)?)
}

fn perform(amo: &Amocrm, caller: &Caller, work: &Work) -> HandlerResult {
    let of = if work.entity_type == "tasks" { None } else { Some(record_type(&work.entity_type)?) };
    let mut answer = Err(Problem::invalid("InvalidCount", "add", "There is nothing to add or edit."));
    if !work.add.is_empty() {
        let added = match of {
            Some(of) => add_records(amo, caller, of, &work.add),
            None => add_tasks(amo, caller, &work.add),
        };
        answer = Ok(added?);
    }
    if !work.edit.is_empty() {
        answer = match of {
            Some(of) => edit_records(amo, caller, of, &work.edit),
            None => edit_tasks(amo, caller, &work.edit),
        };
    }
    answer
}

fn caller_of(amo: &Amocrm, work: &Work) -> Result<Caller, ScenarioError> {
    let state = locked(&amo.inner.state);
    let account = state.account(work.account).ok_or(ScenarioError::UnknownAccount)?;
    let user = match work.user {
        Some(id) => account.user(id),
        None => account.users.first(),
    };
    let user = user.ok_or(ScenarioError::UnknownUser)?;
    Ok(Caller {
        account_id: account.id,
        host: account.host(),
        client_id: String::new(),
        user_id: user.id,
        is_admin: user.is_admin,
    })
}
