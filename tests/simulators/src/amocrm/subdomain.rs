//! Current subdomain of an account (amoCRM docs, oauth/account-subdomain-info).

use flysk_domain::Clock;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, Response, handler};
use serde_json::json;

use super::Amocrm;
use super::problem::{HandlerResult, Problem};
use super::state::AmocrmState;
use crate::lock::locked;

/// `GET /oauth2/account/current/subdomain` on the shared API host, with a valid refresh token, which stays valid.
#[handler]
pub(crate) fn by_refresh_token(request: &Request, Data(amo): Data<&Amocrm>) -> HandlerResult {
    let state = locked(&amo.inner.state);
    let token = request
        .header("x-refresh-token")
        .and_then(|text| state.refresh.get(text))
        .filter(|token| !token.revoked && token.spent_at.is_none())
        .ok_or_else(|| unauthorized("The refresh token is not active"))?;
    address(&state, token.grant.account_id)
}

/// The deprecated `GET /oauth2/account/subdomain` on www, with a valid access token.
#[handler]
pub(crate) fn by_access_token(request: &Request, Data(amo): Data<&Amocrm>) -> HandlerResult {
    let now = amo.control().clock().now();
    let state = locked(&amo.inner.state);
    let token = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|bearer| state.access.get(bearer))
        .filter(|token| !token.revoked && now < token.expires_at)
        .ok_or_else(|| unauthorized("The access token is not active"))?;
    address(&state, token.grant.account_id)
}

/// Tokens are issued on the account's own host, never on www.
#[handler]
pub(crate) fn wrong_host() -> HandlerResult {
    Err(Problem::oauth(StatusCode::BAD_REQUEST, Some("Invalid account")))
}

fn address(state: &AmocrmState, account_id: u64) -> HandlerResult {
    let account = state.account(account_id).ok_or_else(|| unauthorized("The account does not exist"))?;
    let domain = account.platform.domain();
    let body = json!({
        "id": account.id,
        "subdomain": account.subdomain,
        "domain": account.host(),
        "top_level_domain": domain.rsplit('.').next(),
    });
    Ok(Response::builder().content_type("application/json").body(body.to_string()))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::api(StatusCode::UNAUTHORIZED, detail)
}
