//! FlySense's callers: users of its own widget where it is active.

use flysk_domain::id::{AccountId, UserId};
use flysk_store::flysense::accounts::{self, AccountRow};

use crate::auth::WidgetCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// A user of FlySense.
#[derive(Debug)]
pub(super) struct FlysenseUser {
    /// The account, as FlySense knows it.
    pub(super) account: AccountRow,
    /// The user.
    pub(super) user_id: UserId,
    /// Whether the user administers the account.
    pub(super) is_admin: bool,
}

impl FlysenseUser {
    /// The account.
    pub(super) fn account_id(&self) -> AccountId {
        self.account.account_id
    }
}

/// The caller, if its widget is FlySense and FlySense is active in its account.
pub(super) async fn admit(deps: &Deps, caller: &WidgetCaller) -> Result<FlysenseUser, Problem> {
    let user = &caller.0;
    let ours = deps.config.flysense.as_ref().map(|flysense| flysense.client_id.as_str());
    if ours != Some(user.widget.client_uuid.as_str()) {
        return Err(Problem::new(
            ProblemCode::NotInstalled,
            "this is FlySense's API, the token is another widget's",
        ));
    }
    let mut conn = deps.conn().await?;
    match accounts::find(on(&mut conn), user.account_id()).await? {
        Some(account) if account.status == "active" => {
            Ok(FlysenseUser { account, user_id: user.user_id, is_admin: user.is_admin })
        }
        _ => Err(Problem::new(ProblemCode::InstallInactive, "FlySense is not active in this account")),
    }
}
