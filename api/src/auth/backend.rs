//! `X-Project-Token`: a vendor's backend.

use flysk_store::platform::widgets::{self, Widget};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;

use crate::deps::{Deps, on};
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

/// Tokens are found by a keyed hash: the table holds nothing that opens anything, and the look-up's
/// time tells nothing of the token.
async fn check(request: &Request, key: ApiKey) -> poem::Result<Widget> {
    let deps =
        request.data::<Deps>().ok_or_else(|| Problem::new(ProblemCode::Internal, "told to our operators"))?;
    let hashes: Vec<String> = deps.keyring.lookup_hashes(&key.key).iter().map(ToString::to_string).collect();
    let mut conn = deps.conn().await?;
    let found =
        widgets::find_by_token(on(&mut conn), &hashes, deps.clock().now()).await.map_err(Problem::from)?;
    Ok(found.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "the project token is not accepted"))?)
}
