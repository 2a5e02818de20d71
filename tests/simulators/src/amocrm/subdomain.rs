//! Where an account lives now (amoCRM docs, oauth/account-subdomain-info).

use flysk_domain::Clock;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, Response, handler};
use serde_json::json;

use super::Amocrm;
use super::problem::{Answer, Problem};
use super::world::World;
use crate::control::locked;

/// `GET /oauth2/account/current/subdomain` on the shared API host, with a live refresh token, which stays live.
#[handler]
pub(crate) fn by_refresh_token(request: &Request, Data(amo): Data<&Amocrm>) -> Answer {
    let world = locked(&amo.inner.world);
    let token = request
        .header("x-refresh-token")
        .and_then(|text| world.refresh.get(text))
        .filter(|token| !token.revoked && token.spent_at.is_none())
        .ok_or_else(|| unauthorized("The refresh token is not active"))?;
    address(&world, token.grant.account_id)
}

/// The deprecated `GET /oauth2/account/subdomain` on www, with a live access token.
#[handler]
pub(crate) fn by_access_token(request: &Request, Data(amo): Data<&Amocrm>) -> Answer {
    let now = amo.control().clock().now();
    let world = locked(&amo.inner.world);
    let token = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|bearer| world.access.get(bearer))
        .filter(|token| !token.revoked && now < token.expires_at)
        .ok_or_else(|| unauthorized("The access token is not active"))?;
    address(&world, token.grant.account_id)
}

/// Tokens are given out at the account's own host, never at www.
#[handler]
pub(crate) fn wrong_host() -> Answer {
    Err(Problem::oauth(StatusCode::BAD_REQUEST, Some("Invalid account")))
}

fn address(world: &World, account_id: u64) -> Answer {
    let account = world.account(account_id).ok_or_else(|| unauthorized("The account is gone"))?;
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
