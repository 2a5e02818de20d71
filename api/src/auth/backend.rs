//! Authentication of vendors' backends by `X-Project-Token`.

use chrono::{DateTime, Utc};
use flysk_store::Conn;
use flysk_store::platform::project_tokens::{self, TokenOwner};
use flysk_store::platform::widgets::Widget;
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;

use crate::call_log::Caller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Project token of a widget, for vendors' backends. Keep it secret on the server.
#[derive(SecurityScheme)]
#[oai(
    rename = "ProjectToken",
    ty = "api_key",
    key_name = "X-Project-Token",
    key_in = "header",
    checker = "check"
)]
pub(crate) struct BackendCaller(pub(crate) Widget);

/// The result of authenticating a request before its operation, so that the operation does not repeat it.
#[derive(Debug, Clone)]
pub(crate) struct BackendAuthentication(pub(crate) Result<Widget, Problem>);

async fn check(request: &Request, key: ApiKey) -> poem::Result<Widget> {
    if let Some(BackendAuthentication(authentication)) = request.data() {
        return Ok(authentication.clone()?);
    }
    Ok(find(request, &key.key).await?)
}

/// Authenticates the caller of a request outside an operation of poem-openapi.
pub(crate) async fn backend_of(request: &Request) -> Result<Widget, Problem> {
    let token = request.header("X-Project-Token");
    let token = token
        .ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "the X-Project-Token header is required"))?;
    find(request, token).await
}

/// [`look_up`], and notes the widget for the log of calls.
async fn find(request: &Request, token: &str) -> Result<Widget, Problem> {
    let widget = look_up(request, token).await?;
    Caller::note(request, widget.id);
    Ok(widget)
}

/// Finds the widget by a blind index of its token, so the table contains no usable secret and the time of the look-up reveals
/// nothing about the token. A revoked token stops working in all processes within a second: see [`crate::cache`].
async fn look_up(request: &Request, token: &str) -> Result<Widget, Problem> {
    let deps = Deps::from_request(request)?;
    let now = deps.clock().now();
    let hashes: Vec<String> = deps.keyring.blind_indexes(token).iter().map(ToString::to_string).collect();
    if let Some(widget) = hashes.iter().find_map(|hash| deps.cache.widget(hash, now)) {
        return Ok(widget);
    }
    let epoch = deps.cache.read_epoch();
    let mut conn = deps.conn().await?;
    let found = project_tokens::find_owner(&mut conn, &hashes, now).await?;
    let owner = found.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "invalid project token"))?;
    if owner.token_used_at.is_none() {
        record_first_use(&mut conn, &owner, now).await;
    }
    deps.cache.insert_widget(epoch, &owner);
    Ok(owner.widget)
}

/// Records that the backend has the token, so that events may carry it. If that fails, the next request that reads the
/// database tries again.
async fn record_first_use(conn: &mut Conn, owner: &TokenOwner, now: DateTime<Utc>) {
    if let Err(error) = project_tokens::mark_used(conn, owner, now).await {
        tracing::warn!(error = %error, widget = %owner.widget.code, "the first use of a project token was not recorded");
    }
}
