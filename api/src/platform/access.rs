//! A widget's access to an account, from the cache or from the database.

use flysk_domain::id::AccountId;
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, installs, subscriptions, tokens};

use crate::cache::InstallAccess;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// The widget's install in the account, in any status. Installs of other widgets are not found.
pub(super) async fn find_access(
    deps: &Deps,
    widget: &Widget,
    account: AccountId,
) -> Result<InstallAccess, Problem> {
    if let Some(access) = deps.cache.access(widget.id, account) {
        return Ok(access);
    }
    let epoch = deps.cache.read_epoch();
    let mut conn = deps.conn().await?;
    let conn = &mut *conn;
    let install = installs::find_in_account(conn, widget.id, account).await?;
    let install = install.ok_or_else(|| {
        Problem::new(ProblemCode::NotInstalled, "the widget is not installed in this account")
    })?;
    let found = accounts::find(conn, install.crm, install.account_id).await?;
    let host = found.map(|account| account.host).unwrap_or_default();
    let pair = tokens::find(conn, install.id).await?;
    let subscription = if widget.uses_subscriptions {
        subscriptions::find_subscription_of_install(conn, install.id).await?
    } else {
        None
    };
    let access = InstallAccess { install, host, pair, subscription };
    deps.cache.insert_access(epoch, &access);
    Ok(access)
}
