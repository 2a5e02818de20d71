//! `X-Project-Token`: a vendor's backend.

use flysk_store::platform::widgets::{self, Widget};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;

use crate::deps::{of, on};
use crate::problem::{Problem, ProblemCode};

/// The project token of a widget, server to server.
#[derive(SecurityScheme)]
#[oai(
    rename = "ProjectToken",
    ty = "api_key",
    key_name = "X-Project-Token",
    key_in = "header",
    checker = "check"
)]
pub(crate) struct BackendCaller(pub(crate) Widget);

async fn check(request: &Request, key: ApiKey) -> poem::Result<Widget> {
    Ok(find(request, &key.key).await?)
}

/// The caller of an operation that is not in the document.
pub(crate) async fn backend_of(request: &Request) -> Result<Widget, Problem> {
    let token = request.header("X-Project-Token");
    let token = token.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "send X-Project-Token"))?;
    find(request, token).await
}

/// Tokens are found by a keyed hash: the table holds nothing that opens anything, and the look-up's time tells nothing of
/// the token. One that was revoked is dead everywhere within a second: see [`crate::known`].
async fn find(request: &Request, token: &str) -> Result<Widget, Problem> {
    let deps = of(request)?;
    let now = deps.clock().now();
    let hashes: Vec<String> = deps.keyring.lookup_hashes(token).iter().map(ToString::to_string).collect();
    if let Some(widget) = hashes.iter().find_map(|hash| deps.known.widget(hash, now)) {
        return Ok(widget);
    }
    let reading = deps.known.reading();
    let mut conn = deps.conn().await?;
    let found = widgets::find_by_token(on(&mut conn), &hashes, now).await?;
    let widget =
        found.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "the project token is not accepted"))?;
    deps.known.keep_widget(reading, &hashes, &widget);
    Ok(widget)
}
