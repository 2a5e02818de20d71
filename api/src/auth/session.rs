//! The short session of a widget: what the handshake trades the one-time token for, since amoCRM forbids
//! loops over `$authorizedAjax`.
//!
//! A session is a sealed statement, not a row: it says who it was issued to and until when, opens under our
//! key ring only, and costs no look-up. What may change meanwhile (the install, its status) is read anew by
//! every request.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{InstallId, UserId};
use flysk_store::platform::{installs, widgets};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::widget::WidgetUser;
use crate::deps::{Deps, of, on};
use crate::problem::{Problem, ProblemCode};

/// How long a session lives.
const LIVES: TimeDelta = TimeDelta::minutes(15);
/// What sessions begin with, so that they are told from other tokens.
const PREFIX: &str = "fss_";
const PLACE: &str = "session";

#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    install: InstallId,
    user: UserId,
    admin: bool,
    until: i64,
}

/// A session that was issued.
pub(crate) struct Issued {
    /// To be sent as `Authorization: Bearer …`.
    pub(crate) token: String,
    /// Until when.
    pub(crate) expires_at: DateTime<Utc>,
}

/// Issues a session to a user of an install.
pub(crate) fn issue(deps: &Deps, install: InstallId, user: UserId, admin: bool) -> Result<Issued, Problem> {
    let expires_at = deps.clock().now() + LIVES;
    let statement = Statement { install, user, admin, until: expires_at.timestamp() };
    let text = serde_json::to_string(&statement).map_err(|error| internal(&error))?;
    let sealed =
        deps.keyring.seal_statement(&SecretString::from(text), PLACE).map_err(|error| internal(&error))?;
    Ok(Issued { token: format!("{PREFIX}{sealed}"), expires_at })
}

/// The session a handshake gave.
#[derive(SecurityScheme)]
#[oai(rename = "Session", ty = "bearer", bearer_format = "fss_…", checker = "check")]
pub(crate) struct Session(pub(crate) WidgetUser);

async fn check(request: &Request, bearer: Bearer) -> poem::Result<WidgetUser> {
    Ok(verify(of(request)?, &bearer.token).await?)
}

/// Verifies a session and reads its install as it is now.
async fn verify(deps: &Deps, token: &str) -> Result<WidgetUser, Problem> {
    let refused = || Problem::new(ProblemCode::Unauthorized, "not a session of ours");
    let sealed = token.strip_prefix(PREFIX).ok_or_else(refused)?;
    let text = deps.keyring.open_statement(sealed, PLACE).map_err(|_| refused())?;
    let statement: Statement = serde_json::from_str(text.expose_secret()).map_err(|_| refused())?;
    if statement.until < deps.clock().now().timestamp() {
        return Err(Problem::new(ProblemCode::TokenExpired, "the session is over: shake hands again"));
    }
    let mut conn = deps.conn().await?;
    let install = installs::find(on(&mut conn), statement.install).await?;
    let install = install.ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "the install is gone"))?;
    let widget = widgets::find(on(&mut conn), install.widget_id).await?.ok_or_else(refused)?;
    Ok(WidgetUser { widget, install, user_id: statement.user, is_admin: statement.admin })
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(error = %error, "a session cannot be issued");
    Problem::new(ProblemCode::Internal, "told to our operators")
}
