//! `POST /hooks/flysense/events`: the platform tells FlySense what happened to its installs, exactly as
//! it tells any vendor's backend.

use flysk_domain::id::{AccountId, InstallId};
use flysk_domain::trace::Trace;
use flysk_jobs::amocrm::{SubscribeHooks, UnsubscribeHooks};
use flysk_runtime::keyring::same_secret;
use flysk_store::flysense::accounts;
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Request, handler};
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// A lifecycle event; fields that FlySense does not use are ignored.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    account_id: AccountId,
    install_id: InstallId,
    #[serde(default)]
    base_domain: Option<String>,
    #[serde(default)]
    subdomain: Option<String>,
    sequence: u64,
}

/// Notes the event; a doubled or overtaken one changes nothing.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Json<Event>,
) -> poem::Result<StatusCode> {
    let Some(flysense) = &deps.config.flysense else {
        return Err(Problem::new(ProblemCode::NotFound, "FlySense does not live here").into());
    };
    let token = request.header("X-Project-Token").unwrap_or_default();
    if !same_secret(token.as_bytes(), flysense.project_token.expose_secret().as_bytes()) {
        return Err(Problem::new(ProblemCode::Unauthorized, "the project token is not FlySense's").into());
    }
    let event = body.0;
    let active = match event.kind.as_str() {
        "activate" => true,
        "deactivate" => false,
        // `install` comes before access is there, and kinds to come are not ours.
        _ => return Ok(StatusCode::NO_CONTENT),
    };
    repeat_contended(|| note(&deps, &trace, &event, active)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn note(deps: &Deps, trace: &Trace, event: &Event, active: bool) -> Result<(), Problem> {
    let (account_id, now) = (event.account_id, deps.clock().now());
    let host = event.base_domain.as_deref().or(event.subdomain.as_deref()).unwrap_or_default();
    let mut unit = deps.begin(trace).await?;
    let noted =
        accounts::note_event(&mut unit, account_id, event.install_id, host, active, event.sequence, now);
    if noted.await? {
        if active {
            unit.enqueue(&SubscribeHooks { account_id }).await?;
        } else {
            unit.enqueue(&UnsubscribeHooks { account_id }).await?;
        }
    }
    Ok(unit.commit().await?)
}
