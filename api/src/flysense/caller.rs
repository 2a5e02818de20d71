//! Authorization of FlySense's callers: users of its widget in accounts where it is active.

use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::id::{AccountId, UserId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_store::flysense::accounts::{self, AccountRow};

use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

#[derive(Debug)]
pub(super) struct FlysenseUser {
    pub(super) account: AccountRow,
    pub(super) user_id: UserId,
    /// Whether the user is an administrator of the account.
    pub(super) is_admin: bool,
}

impl FlysenseUser {
    pub(super) fn account_id(&self) -> AccountId {
        self.account.account_id
    }
}

/// The user of a caller whose widget is FlySense, whatever its status in the account.
fn widget_user<'a>(deps: &Deps, caller: &'a WidgetCaller) -> Result<&'a WidgetUser, Problem> {
    let user = &caller.0;
    let ours = deps.config.flysense.as_ref().map(|flysense| flysense.client_id.as_str());
    if ours != Some(user.widget.client_uuid.as_str()) {
        return Err(Problem::new(
            ProblemCode::NotInstalled,
            "the token belongs to another widget than FlySense",
        ));
    }
    Ok(user)
}

/// [`widget_user`] of an account that has not uninstalled FlySense.
pub(super) fn installed_user<'a>(deps: &Deps, caller: &'a WidgetCaller) -> Result<&'a WidgetUser, Problem> {
    let user = widget_user(deps, caller)?;
    if user.install.status == InstallStatus::Uninstalled {
        return Err(Problem::new(ProblemCode::InstallInactive, "FlySense is not installed in this account"));
    }
    Ok(user)
}

/// Authorizes a caller: the widget must be FlySense, and FlySense must be active in the account.
pub(super) async fn authorize_caller(deps: &Deps, caller: &WidgetCaller) -> Result<FlysenseUser, Problem> {
    let user = widget_user(deps, caller)?;
    let mut conn = deps.conn().await?;
    match accounts::find(&mut conn, user.account_id()).await? {
        Some(account) if account.status == AccountStatus::Active => {
            Ok(FlysenseUser { account, user_id: user.user_id, is_admin: user.is_admin })
        }
        _ => Err(Problem::new(ProblemCode::InstallInactive, "FlySense is not active in this account")),
    }
}
