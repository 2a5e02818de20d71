//! Users of an account: adding, changing, removing, and the one-time tokens of their pages.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_simulators::amocrm::{WIDGET_TOKEN_TTL_S, WidgetTokenShape};
use poem::handler;
use poem::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};

use super::accounts::{About, about, known};
use super::control::{ControlData, Done, done, number};
use super::definition::UserDefinition;
use super::input::Input;
use super::problem::Problem;
use super::registration;
use super::scene::Scene;

/// Adds a user to an account.
#[handler]
pub(super) async fn add(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(wanted): Input<UserDefinition>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    add_user(&scene, id, &wanted)?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

pub(super) fn add_user(scene: &Scene, account_id: u64, wanted: &UserDefinition) -> Result<(), Problem> {
    let mut is_known = false;
    scene.sandbox.amocrm.state.change_account(account_id, |account| {
        is_known = account.user(wanted.id).is_some();
        if !is_known {
            account.users.push(registration::user(wanted));
        }
    })?;
    if is_known {
        return Err(Problem::conflict(format!("account {account_id} has a user {}", wanted.id)));
    }
    Ok(())
}

/// What changes about a user; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UserChange {
    pub(super) name: Option<String>,
    pub(super) is_admin: Option<bool>,
    /// False: blocked.
    pub(super) is_active: Option<bool>,
}

/// Renames, promotes or blocks a user.
#[handler]
pub(super) async fn change(
    Data(control): ControlData<'_>,
    Path((account_id, user_id)): Path<(String, String)>,
    Input(wanted): Input<UserChange>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let after = scene.journal.last();
    change_user(&scene, id, number(&user_id, "a user")?, wanted)?;
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

pub(super) fn change_user(
    scene: &Scene,
    account_id: u64,
    user_id: u64,
    wanted: UserChange,
) -> Result<(), Problem> {
    let mut is_known = false;
    scene.sandbox.amocrm.state.change_account(account_id, |account| {
        let Some(user) = account.users.iter_mut().find(|user| user.id == user_id) else { return };
        is_known = true;
        if let Some(name) = wanted.name {
            user.name = name;
        }
        user.is_admin = wanted.is_admin.unwrap_or(user.is_admin);
        user.is_active = wanted.is_active.unwrap_or(user.is_active);
    })?;
    if is_known { Ok(()) } else { Err(unknown(account_id, user_id)) }
}

/// Removes a user. An account keeps one.
#[handler]
pub(super) async fn remove(
    Data(control): ControlData<'_>,
    Path((account_id, user_id)): Path<(String, String)>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let user = number(&user_id, "a user")?;
    let after = scene.journal.last();
    let (mut is_known, mut is_last) = (false, false);
    scene.sandbox.amocrm.state.change_account(id, |account| {
        is_known = account.user(user).is_some();
        is_last = is_known && account.users.len() == 1;
        if !is_last {
            account.users.retain(|known| known.id != user);
        }
    })?;
    if is_last {
        return Err(Problem::conflict(format!("user {user} is the last one of account {id}")));
    }
    if !is_known {
        return Err(unknown(id, user));
    }
    let about = about(&scene, id).await?;
    done(&scene, after, about).await
}

fn unknown(account_id: u64, user_id: u64) -> Problem {
    Problem::not_found(format!("account {account_id} has no user {user_id}"))
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
    Ok(Json(token_of(&scene, id, number(&user_id, "a user")?)?))
}

/// The token of a user, who is not blocked: nobody else opens a page of amoCRM.
pub(super) fn token_of(scene: &Scene, account_id: u64, user_id: u64) -> Result<UserToken, Problem> {
    let (amocrm, client_id) = (&scene.sandbox.amocrm.state, &scene.plan.widget.client_id);
    let account = amocrm.account(account_id);
    let user = account.as_ref().and_then(|account| account.user(user_id));
    if !user.ok_or_else(|| unknown(account_id, user_id))?.is_active {
        return Err(Problem::conflict(format!("user {user_id} is blocked")));
    }
    let token = amocrm.widget_token(client_id, account_id, user_id, &WidgetTokenShape::default())?;
    Ok(UserToken { token, expires_at: scene.sandbox.now() + TimeDelta::seconds(WIDGET_TOKEN_TTL_S) })
}
