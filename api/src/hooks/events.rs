//! `POST /hooks/flysense/events`: events of FlySense's installs and their subscriptions. The platform delivers them as to any
//! vendor's backend.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_crypto::same_secret;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::activation::subscription_notices::{
    SubscriptionFacts, kind_of_event, subscription_notice, with_pay_button,
};
use flysk_domain::id::{AccountId, InstallId};
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::activation::FollowDeactivation;
use flysk_jobs::flysense::hooks::{SubscribeHooks, UnsubscribeHooks};
use flysk_services::activation::{notify_account, seal_link};
use flysk_store::flysense::accounts;
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Request, handler};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// An event; fields that FlySense does not use are ignored.
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
    #[serde(default)]
    data: EventData,
}

/// Data of the events of subscriptions. The other kinds have none of these fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventData {
    access_until: Option<DateTime<Utc>>,
    period_until: Option<NaiveDate>,
    days_before: Option<u32>,
    charges_on: Option<NaiveDate>,
    /// The page where the invoice is paid.
    pay_url: Option<SecretString>,
}

/// Records the event. A repeated event, or one older than the last recorded event, has no effect.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Json<Event>,
) -> poem::Result<StatusCode> {
    let Some(flysense) = &deps.config.flysense else {
        return Err(Problem::new(ProblemCode::NotFound, "FlySense is not enabled on this deployment").into());
    };
    let token = request.header("X-Project-Token").unwrap_or_default();
    if !same_secret(token.as_bytes(), flysense.project_token.expose_secret().as_bytes()) {
        return Err(Problem::new(ProblemCode::Unauthorized, "invalid project token").into());
    }
    let event = body.0;
    if event.kind.starts_with("subscription.") {
        repeat_contended(|| tell_people(&deps, &trace, &event)).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let status = match event.kind.as_str() {
        "activate" => AccountStatus::Active,
        // A new account may have to be activated first; if not, `activate` follows with the next sequence number.
        "deactivate" | "install" => AccountStatus::Inactive,
        // Future event types are ignored.
        _ => return Ok(StatusCode::NO_CONTENT),
    };
    repeat_contended(|| record_event(&deps, &trace, &event, status)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn record_event(
    deps: &Deps,
    trace: &Trace,
    event: &Event,
    status: AccountStatus,
) -> Result<(), Problem> {
    let (account_id, now) = (event.account_id, deps.clock().now());
    let host = event.base_domain.as_deref().or(event.subdomain.as_deref()).unwrap_or_default();
    let mut unit = deps.begin(trace).await?;
    let noted =
        accounts::note_event(&mut unit, account_id, event.install_id, host, status, event.sequence, now);
    if noted.await? {
        match event.kind.as_str() {
            "activate" => drop(unit.enqueue(&SubscribeHooks { account_id }).await?),
            "deactivate" => {
                unit.enqueue(&UnsubscribeHooks { account_id }).await?;
                unit.enqueue(&FollowDeactivation { account_id }).await?;
            }
            _ => {}
        }
    }
    Ok(unit.commit().await?)
}

/// Queues the notice about a subscription for everybody who is bound. An event that is delivered again queues nothing: a person
/// gets one notice of a kind a day.
async fn tell_people(deps: &Deps, trace: &Trace, event: &Event) -> Result<(), Problem> {
    let Some(kind) = kind_of_event(&event.kind) else { return Ok(()) };
    let EventData { access_until, period_until, days_before, charges_on, .. } = event.data;
    let mut unit = deps.begin(trace).await?;
    let Some(account) = accounts::find(&mut unit, event.account_id).await? else { return Ok(()) };
    let facts = SubscriptionFacts { access_until, period_until, days_before, charges_on };
    if let Some(notice) = subscription_notice(kind, &account.host, facts) {
        let message = match sealed_pay_url(deps, event) {
            Some(sealed) => with_pay_button(notice, sealed),
            None => notice,
        };
        notify_account(&mut unit, deps.clock(), &account, kind, &message).await?;
    }
    Ok(unit.commit().await?)
}

/// The address of the page where the event's invoice is paid, sealed for the message's button. Without it the notice leads to
/// the settings only, which is better than no notice.
fn sealed_pay_url(deps: &Deps, event: &Event) -> Option<String> {
    let url: Url = event.data.pay_url.as_ref()?.expose_secret().parse().ok()?;
    if !matches!(url.scheme(), "https" | "http") {
        return None;
    }
    let sealed = seal_link(&deps.keyring, &url);
    sealed.inspect_err(|error| tracing::error!(%error, "cannot encrypt a button's address")).ok()
}
