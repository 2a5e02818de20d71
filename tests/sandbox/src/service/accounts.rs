//! Accounts of the simulated amoCRM: installing, uninstalling, renaming, the end of access or of what was paid, calls.

use std::sync::PoisonError;

use chrono::TimeDelta;
use flysk_simulators::amocrm::{Account, CallOutcome, NewCall};
use poem::handler;
use poem::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::announcement::{AccountState, accounts_of};
use super::control::{ControlData, Done, done, number, told};
use super::definition::{AccountDefinition, UserDefinition, usual_users};
use super::input::Input;
use super::json_fault;
use super::occurrence::{Occurrence, WebhookEntry};
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
    let can_install = |account: Account| account.users.iter().any(|user| user.is_admin && user.is_active);
    if !amocrm.account(account_id).is_some_and(can_install) {
        return Err(no_administrator(account_id));
    }
    if scene.loses_webhook() {
        // amoCRM calls the redirect URI once, whatever comes of it.
        amocrm.issue_code(client_id, account_id, None)?;
        note_webhook(scene, account_id, "install", None, true);
        return Ok(());
    }
    let outcome = amocrm.install(client_id, account_id, None).await?;
    note_webhook(scene, account_id, "install", Some(&outcome), false);
    match outcome.status {
        Some(200) => Ok(()),
        status => Err(Problem::conflict(format!("Flysk answered amoCRM's redirect with {status:?}"))),
    }
}

/// Notes that amoCRM called Flysk, without the query, which has a secret.
fn note_webhook(scene: &Scene, account_id: u64, event: &str, outcome: Option<&CallOutcome>, lost: bool) {
    let url = outcome.and_then(|outcome| outcome.url.as_deref());
    let entry = WebhookEntry {
        account_id,
        event: event.to_owned(),
        destination: url.and_then(|url| url.split('?').next()).map(str::to_owned),
        status: outcome.and_then(|outcome| outcome.status),
        lost,
    };
    scene.journal.note(scene.sandbox.now(), Occurrence::Webhook(entry));
}

/// The account, if the sandbox has it.
pub(super) fn known(scene: &Scene, account_id: u64) -> Result<u64, Problem> {
    let is_known = scene.accounts.lock().unwrap_or_else(PoisonError::into_inner).contains(&account_id);
    if is_known { Ok(account_id) } else { Err(unknown(account_id)) }
}

/// What is told about the account.
pub(super) async fn about(scene: &Scene, account_id: u64) -> Result<About, Problem> {
    let found = accounts_of(scene).await?.into_iter().find(|account| account.id == account_id);
    Ok(About { account: found.ok_or_else(|| unknown(account_id))? })
}

fn no_administrator(account_id: u64) -> Problem {
    Problem::conflict(format!(
        "account {account_id} has no administrator who could install the widget: give one of its users \"is_admin\": true, or \
         create the account with \"installed\": false"
    ))
}

fn unknown(account_id: u64) -> Problem {
    Problem::not_found(format!(
        "the sandbox has no account {account_id}: GET /_sandbox/accounts lists those that it has"
    ))
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
    let settled = scene.run_due().await?;
    let about = about(&scene, id).await?;
    Ok(told(&scene, after, about, settled))
}

/// Creates the account, unless it exists, and installs the widget. Returns its id.
pub(super) async fn open_account(scene: &Scene, wanted: NewAccount) -> Result<u64, Problem> {
    let ids = scene.account_ids();
    let next = ids.iter().max().map_or(FIRST_ACCOUNT, |last| last + 1);
    let id = wanted.id.unwrap_or(next);
    let installs = wanted.installed != Some(false);
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
        // Before the account is there: the request can then be repeated as it should have been.
        if installs && !account.users.iter().any(|user| user.is_admin) {
            return Err(no_administrator(id));
        }
        create_account(scene, &account)?;
    } else if wanted.subdomain.is_some() || wanted.name.is_some() || wanted.users.is_some() {
        return Err(Problem::conflict(format!(
            "account {id} exists: give its id alone to install the widget again"
        )));
    }
    if installs {
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
    let settled = scene.run_due().await?;
    let about = about(&scene, id).await?;
    Ok(told(&scene, after, about, settled))
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
    note_webhook(scene, account_id, "uninstall", Some(&outcome), lost);
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

/// The access of the widget ends, although it stays installed: amoCRM refuses its tokens from now on, and tells nobody.
#[handler]
pub(super) async fn revoke(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    end_access(&scene, id)?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

/// Revokes the widget's tokens of the account.
pub(super) fn end_access(scene: &Scene, account_id: u64) -> Result<(), Problem> {
    Ok(scene.sandbox.amocrm.state.revoke(&scene.plan.widget.client_id, account_id)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unpaid {
    #[serde(default = "yes")]
    unpaid: bool,
}

fn yes() -> bool {
    true
}

/// What the account has paid to amoCRM ends now: amoCRM answers 402 to writes at once, and to reads after 30 days.
#[handler]
pub(super) async fn set_unpaid(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(wanted): Input<Unpaid>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    let since = wanted.unpaid.then(|| scene.sandbox.now());
    scene.sandbox.amocrm.state.change_account(id, |account| account.unpaid_since = since)?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

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
    let call: NewCall = json_fault::read(wanted.to_string().as_bytes()).map_err(Problem::invalid)?;
    let note = call_takes_place(&scene, call)?;
    done(&scene, after, note).await
}

/// Adds the note of a call.
pub(super) fn call_takes_place(scene: &Scene, call: NewCall) -> Result<CallNote, Problem> {
    let (amocrm, account_id) = (&scene.sandbox.amocrm.state, call.account);
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
