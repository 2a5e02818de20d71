//! A widget's access to an account: from memory, or from the database.

use flysk_domain::id::AccountId;
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, installs, tokens};

use crate::deps::{Deps, on};
use crate::known::Access;
use crate::problem::{Problem, ProblemCode};

/// The widget's own install in the account, in whatever status; another widget's is not there for it.
pub(super) async fn access_to(deps: &Deps, widget: &Widget, account: AccountId) -> Result<Access, Problem> {
    if let Some(access) = deps.known.access(widget.id, account) {
        return Ok(access);
    }
    let reading = deps.known.reading();
    let mut conn = deps.conn().await?;
    let conn = on(&mut conn);
    let install = installs::find_in_account(conn, widget.id, account).await?;
    let install = install.ok_or_else(|| {
        Problem::new(ProblemCode::NotInstalled, "the widget is not installed in this account")
    })?;
    let found = accounts::find(conn, install.crm, install.account_id).await?;
    let host = found.map(|account| account.host).unwrap_or_default();
    let pair = tokens::find(conn, install.id).await?;
    let access = Access { install, host, pair };
    deps.known.keep_access(reading, &access);
    Ok(access)
}
