//! Short-lived sessions of widgets. The handshake issues one for the one-time token, because amoCRM forbids calling
//! `$authorizedAjax` in a loop.
//!
//! A session is an encrypted token, not a row: it contains the user, the install and the expiry, and only the key ring can
//! decrypt it. Data that may change (the install, its status) is read from the database by every request.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{InstallId, UserId};
use flysk_store::platform::{installs, widgets};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::user::WidgetUser;
use crate::call_log::Caller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Lifetime of a session.
const SESSION_TTL: TimeDelta = TimeDelta::minutes(15);
/// Prefix that distinguishes sessions from other tokens.
const SESSION_PREFIX: &str = "fss_";
const AAD: &str = "session";

#[derive(Debug, Serialize, Deserialize)]
struct SessionClaims {
    install: InstallId,
    user: UserId,
    admin: bool,
    until: i64,
}

/// A new session.
pub(crate) struct IssuedSession {
    /// Sent as `Authorization: Bearer …`.
    pub(crate) token: String,
    /// Expiry.
    pub(crate) expires_at: DateTime<Utc>,
}

/// Issues a session to a user of an install.
pub(crate) fn issue_session(
    deps: &Deps,
    install: InstallId,
    user: UserId,
    admin: bool,
) -> Result<IssuedSession, Problem> {
    let expires_at = deps.clock().now() + SESSION_TTL;
    let claims = SessionClaims { install, user, admin, until: expires_at.timestamp() };
    let text = serde_json::to_string(&claims).map_err(|error| internal(&error))?;
    let sealed = deps.keyring.seal_token(&SecretString::from(text), AAD).map_err(|error| internal(&error))?;
    Ok(IssuedSession { token: format!("{SESSION_PREFIX}{sealed}"), expires_at })
}

/// Session token from `POST /v1/handshake`.
#[derive(SecurityScheme)]
#[oai(rename = "Session", ty = "bearer", bearer_format = "fss_…", checker = "check")]
pub(crate) struct Session(pub(crate) WidgetUser);

async fn check(request: &Request, bearer: Bearer) -> poem::Result<WidgetUser> {
    let user = verify(Deps::from_request(request)?, &bearer.token).await?;
    Caller::note(request, user.widget.id);
    Ok(user)
}

/// Verifies a session and reads its install and widget.
async fn verify(deps: &Deps, token: &str) -> Result<WidgetUser, Problem> {
    let refused = || Problem::new(ProblemCode::Unauthorized, "invalid session token");
    let sealed = token.strip_prefix(SESSION_PREFIX).ok_or_else(refused)?;
    let text = deps.keyring.open_token(sealed, AAD).map_err(|_| refused())?;
    let claims: SessionClaims = serde_json::from_str(text.expose_secret()).map_err(|_| refused())?;
    if claims.until < deps.clock().now().timestamp() {
        return Err(Problem::new(
            ProblemCode::TokenExpired,
            "session expired: call POST /v1/handshake again",
        ));
    }
    let mut conn = deps.conn().await?;
    let install = installs::find(&mut conn, claims.install).await?;
    let install =
        install.ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "the install no longer exists"))?;
    let widget = widgets::find(&mut conn, install.widget_id).await?.ok_or_else(refused)?;
    Ok(WidgetUser { widget, install, user_id: claims.user, is_admin: claims.admin })
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(error = %error, "cannot issue a session");
    Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
}
