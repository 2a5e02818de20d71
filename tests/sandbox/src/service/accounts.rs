//! Accounts of the simulated amoCRM: installing, uninstalling, renaming, users, calls.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_simulators::amocrm::{CallOutcome, NewCall, WIDGET_TOKEN_TTL_S, WidgetTokenShape};
use poem::handler;
use poem::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::announcement::{AccountState, accounts_of};
use super::control::{ControlData, Done, done, number};
use super::definition::{AccountDefinition, UserDefinition, usual_users};
use super::input::Input;
use super::journal::{Occurrence, WebhookEntry};
use super::problem::Problem;
use super::registration;
use super::scene::{ClockMode, Scene};

/// Ids of the first account and user that are made up.
const FIRST_ACCOUNT: u64 = 31_234_567;
const FIRST_USER: u64 = 501;

/// What is told about an account.
#[derive(Debug, Serialize)]
pub(super) struct About {
    account: AccountState,
}

/// Creates an account in amoCRM, without the widget.
pub(super) fn create_account(scene: &Scene, wanted: &AccountDefinition) -> Result<(), Problem> {
    scene.sandbox.amocrm.state.add_account(registration::account(wanted))?;
    scene.accounts.lock().unwrap_or_else(PoisonError::into_inner).insert(wanted.id);
    Ok(())
}

/// An administrator installs the widget.
pub(super) async fn install(scene: &Scene, account_id: u64) -> Result<(), Problem> {
    let amocrm = &scene.sandbox.amocrm.state;
    let client_id = &scene.plan.widget.client_id;
    if scene.loses_webhook() {
        // amoCRM calls the redirect URI once, whatever comes of it.
        amocrm.issue_code(client_id, account_id, None)?;
        note_webhook(scene, "install", None, true);
        return Ok(());
    }
    let outcome = amocrm.install(client_id, account_id, None).await?;
    note_webhook(scene, "install", Some(&outcome), false);
    match outcome.status {
        Some(200) => Ok(()),
        status => Err(Problem::conflict(format!("Flysk answered amoCRM's redirect with {status:?}"))),
    }
}

/// Notes that amoCRM called Flysk, without the query, which has a secret.
fn note_webhook(scene: &Scene, event: &str, outcome: Option<&CallOutcome>, lost: bool) {
    let url = outcome.and_then(|outcome| outcome.url.as_deref());
    let entry = WebhookEntry {
        event: event.to_owned(),
        destination: url.and_then(|url| url.split('?').next()).map(str::to_owned),
        status: outcome.and_then(|outcome| outcome.status),
        lost,
    };
    scene.journal.note(scene.sandbox.now(), Occurrence::Webhook(entry));
}

/// The account, if the sandbox has it.
fn known(scene: &Scene, account_id: u64) -> Result<u64, Problem> {
    let is_known = scene.accounts.lock().unwrap_or_else(PoisonError::into_inner).contains(&account_id);
    if is_known { Ok(account_id) } else { Err(Problem::not_found(format!("account {account_id}"))) }
}

async fn about(scene: &Scene, account_id: u64) -> Result<About, Problem> {
    let found = accounts_of(scene).await?.into_iter().find(|account| account.id == account_id);
    let account = found.ok_or_else(|| Problem::not_found(format!("account {account_id}")))?;
    Ok(About { account })
}

#[handler]
pub(super) async fn list(Data(control): ControlData<'_>) -> Result<Json<Value>, Problem> {
    let scene = control.scene()?;
    Ok(Json(json!({ "items": accounts_of(&scene).await? })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NewAccount {
    pub(super) id: Option<u64>,
    pub(super) subdomain: Option<String>,
    pub(super) name: Option<String>,
    pub(super) users: Option<Vec<UserDefinition>>,
    /// Whether the widget is installed; by default it is.
    pub(super) installed: Option<bool>,
}

/// Creates an account and installs the widget in it; an account that exists installs it again.
#[handler]
pub(super) async fn add(
    Data(control): ControlData<'_>,
    Input(wanted): Input<NewAccount>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let after = scene.journal.last();
    let id = open_account(&scene, wanted).await?;
    scene.settle().await?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

/// Creates the account, unless it exists, and installs the widget. Returns its id.
pub(super) async fn open_account(scene: &Scene, wanted: NewAccount) -> Result<u64, Problem> {
    let ids = scene.account_ids();
    let next = ids.iter().max().map_or(FIRST_ACCOUNT, |last| last + 1);
    let id = wanted.id.unwrap_or(next);
    if !ids.contains(&id) {
        let subdomain = wanted.subdomain.unwrap_or_else(|| format!("account{id}"));
        check_subdomain(&subdomain)?;
        let account = AccountDefinition {
            id,
            name: wanted.name.unwrap_or_default(),
            subdomain,
            users: wanted.users.unwrap_or_else(|| usual_users(next_user(scene, &ids))),
            installed: true,
        };
        create_account(scene, &account)?;
    } else if wanted.subdomain.is_some() || wanted.name.is_some() || wanted.users.is_some() {
        return Err(Problem::conflict(format!(
            "account {id} exists: give its id alone to install the widget again"
        )));
    }
    if wanted.installed != Some(false) {
        install(scene, id).await?;
    }
    Ok(id)
}

/// An id that no user has.
fn next_user(scene: &Scene, accounts: &[u64]) -> u64 {
    let users = accounts.iter().filter_map(|id| scene.sandbox.amocrm.state.account(*id));
    let last = users.flat_map(|account| account.users).map(|user| user.id).max();
    last.map_or(FIRST_USER, |last| last + 1)
}

/// Uninstalls the widget: amoCRM calls the disconnect URL, unless its next webhook is lost.
#[handler]
pub(super) async fn uninstall(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    remove(&scene, id).await?;
    scene.settle().await?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

/// Step of a standing clock that tells two moments apart; times are shown in seconds.
const LEAST_STEP: TimeDelta = TimeDelta::milliseconds(1);

/// The account disables the integration.
pub(super) async fn remove(scene: &Scene, account_id: u64) -> Result<(), Problem> {
    let lost = scene.loses_webhook();
    if scene.plan.clock == ClockMode::Frozen {
        // On a standing clock the install may be of the same moment, and Flysk then believes the install.
        scene.sandbox.clock.set(scene.sandbox.now() + LEAST_STEP);
    }
    let client_id = &scene.plan.widget.client_id;
    let outcome = scene.sandbox.amocrm.state.disable(client_id, account_id, lost).await?;
    note_webhook(scene, "uninstall", Some(&outcome), lost);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    subdomain: String,
}

/// The account gets another subdomain; its former address answers 404 from now on.
#[handler]
pub(super) async fn rename(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(wanted): Input<Rename>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    change_subdomain(&scene, id, &wanted.subdomain)?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

/// Renames the account's subdomain.
pub(super) fn change_subdomain(scene: &Scene, account_id: u64, subdomain: &str) -> Result<(), Problem> {
    check_subdomain(subdomain)?;
    Ok(scene.sandbox.amocrm.state.rename(account_id, subdomain)?)
}

/// A label of a host that amoCRM gives to accounts.
fn check_subdomain(text: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = (1..=63).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-');
    let is_reserved = text == "www" || text.starts_with("api-");
    if is_label && !is_reserved {
        Ok(())
    } else {
        Err(Problem::invalid(format!("`{text}` is not a subdomain of an account: a-z, 0-9 and `-`")))
    }
}

/// Adds a user to an account.
#[handler]
pub(super) async fn add_user(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(wanted): Input<UserDefinition>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    let mut is_known = false;
    scene.sandbox.amocrm.state.change_account(id, |account| {
        is_known = account.user(wanted.id).is_some();
        if !is_known {
            account.users.push(registration::user(&wanted));
        }
    })?;
    if is_known {
        return Err(Problem::conflict(format!("account {id} has a user {}", wanted.id)));
    }
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

/// A one-time token of a user's page.
#[derive(Debug, Serialize)]
pub(super) struct UserToken {
    /// Value of `X-Auth-Token`.
    pub(super) token: String,
    /// Its end, by the sandbox's clock.
    pub(super) expires_at: DateTime<Utc>,
}

/// Issues the one-time token that amoCRM gives to a widget's page, valid for half an hour.
#[handler]
pub(super) fn issue_token(
    Data(control): ControlData<'_>,
    Path((account_id, user_id)): Path<(String, String)>,
) -> Result<Json<UserToken>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let user = number(&user_id, "a user")?;
    Ok(Json(token_of(&scene, id, user)?))
}

/// The token of a user.
pub(super) fn token_of(scene: &Scene, account_id: u64, user_id: u64) -> Result<UserToken, Problem> {
    let (amocrm, client_id) = (&scene.sandbox.amocrm.state, &scene.plan.widget.client_id);
    let token = amocrm.widget_token(client_id, account_id, user_id, &WidgetTokenShape::default())?;
    Ok(UserToken { token, expires_at: scene.sandbox.now() + TimeDelta::seconds(WIDGET_TOKEN_TTL_S) })
}

/// The note of a call.
#[derive(Debug, Serialize)]
pub(super) struct CallNote {
    pub(super) note_id: u64,
    pub(super) event_id: Option<String>,
}

/// A call takes place: its note is added to a card, and amoCRM sends its webhook to whoever subscribed to it.
#[handler]
pub(super) async fn add_note(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(mut wanted): Input<Value>,
) -> Result<Json<Done<CallNote>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    let fields = wanted.as_object_mut().ok_or_else(|| Problem::invalid("an object is expected"))?;
    for (name, usual) in
        [("entity_type", json!("leads")), ("entity_id", json!(700_001)), ("duration", json!(60))]
    {
        fields.entry(name).or_insert(usual);
    }
    if fields.insert("account".to_owned(), json!(id)).is_some() {
        return Err(Problem::invalid("the account is in the path"));
    }
    let call: NewCall = serde_json::from_value(wanted).map_err(Problem::invalid)?;
    let note = call_takes_place(&scene, call)?;
    done(&scene, after, note).await
}

/// Adds the note of a call.
pub(super) fn call_takes_place(scene: &Scene, mut call: NewCall) -> Result<CallNote, Problem> {
    let (amocrm, account_id) = (&scene.sandbox.amocrm.state, call.account);
    if !call.silently && scene.loses_webhook() {
        call.silently = true;
        note_webhook(scene, "note", None, true);
    }
    let note_id = amocrm.call(call)?;
    Ok(CallNote { note_id, event_id: amocrm.event_of_note(account_id, note_id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subdomain_is_a_label_that_amocrm_does_not_use_itself() {
        assert!(check_subdomain("new-name2").is_ok());
        for wrong in ["", "New", "a.b", "-a", "a-", "www", "api-b", "имя"] {
            assert!(check_subdomain(wrong).is_err(), "{wrong}");
        }
    }
}
