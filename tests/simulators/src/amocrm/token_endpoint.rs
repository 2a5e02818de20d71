//! `POST /oauth2/access_token`: exchanges codes and refresh tokens for token pairs (amoCRM docs,
//! oauth/step-by-step).

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Response, handler};
use serde_json::{Value, json};

use super::fields::is_json;
use super::grants::{AccessToken, Grant, RefreshToken};
use super::jwt::ACCESS_TOKEN_TTL_S;
use super::model::Platform;
use super::problem::{HandlerResult, Problem};
use super::site::AtAccount;
use super::state::AmocrmState;
use super::{Amocrm, Behaviour};
use crate::lock::locked;

const CODE_TTL: Duration = Duration::minutes(20);
const REFRESH_TOKEN_IDLE_TTL: Duration = Duration::days(90);
const FIELDS: [&str; 6] =
    ["client_id", "client_secret", "grant_type", "code", "refresh_token", "redirect_uri"];

/// Exchanges a code or refreshes a pair.
#[handler]
pub(crate) async fn access_token(
    request: &poem::Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(at): Data<&AtAccount>,
) -> HandlerResult {
    let body = body.into_vec().await.map_err(|_| bad("Check the request body"))?;
    let form = read_form(request.content_type(), &body)?;
    let now = amo.control().clock().now();
    let behaviour = amo.behaviour();
    let mut state = locked(&amo.inner.state);
    let grant = match field(&form, "grant_type")? {
        "authorization_code" => {
            let client_id = authenticate(&state, &form)?;
            take_code(&mut state, &behaviour, field(&form, "code")?, &client_id, at.account_id, now)?
        }
        "refresh_token" => {
            let client_id = authenticate(&state, &form)?;
            spend_refresh(
                &mut state,
                &behaviour,
                field(&form, "refresh_token")?,
                &client_id,
                at.account_id,
                now,
            )?
        }
        _ => return Err(bad("Check the `grant_type` parameter")),
    };
    issue_pair(amo, &mut state, grant, now)
}

/// Parses JSON or a form: strings only, the six known fields only.
fn read_form(content_type: Option<&str>, body: &[u8]) -> Result<HashMap<String, String>, Problem> {
    let form: HashMap<String, String> = if is_json(content_type) {
        let object: serde_json::Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| bad("Check that all required parameters have been provided"))?;
        let text = |(name, value): (String, Value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(bad(&format!("Check the `{name}` parameter"))),
        };
        object.into_iter().map(text).collect::<Result<_, _>>()?
    } else if content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded")) {
        url::form_urlencoded::parse(body).into_owned().collect()
    } else {
        return Err(bad("Check that all required parameters have been provided"));
    };
    match form.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        Some(unknown) => Err(bad(&format!("Check the `{unknown}` parameter"))),
        None => Ok(form),
    }
}

fn bad(hint: &str) -> Problem {
    Problem::oauth(StatusCode::BAD_REQUEST, Some(hint))
}

fn field<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Problem> {
    match form.get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(bad(&format!("Check the `{name}` parameter"))),
    }
}

/// Authenticates the client. A malformed id or secret gets a hint; well-formed but wrong ones get 401 without a
/// hint.
fn authenticate(state: &AmocrmState, form: &HashMap<String, String>) -> Result<String, Problem> {
    let client_id = field(form, "client_id")?;
    if uuid::Uuid::parse_str(client_id).is_err() {
        return Err(bad("Check the `client_id` parameter"));
    }
    let secret = field(form, "client_secret")?;
    let integration = state
        .integration(client_id)
        .filter(|known| known.client_secret == secret)
        .ok_or_else(Problem::client_authentication_failed)?;
    if field(form, "redirect_uri")? != integration.redirect_uri {
        return Err(bad("Redirect URI is not associated with client"));
    }
    Ok(client_id.to_owned())
}

fn take_code(
    state: &mut AmocrmState,
    behaviour: &Behaviour,
    text: &str,
    client_id: &str,
    account_id: u64,
    now: DateTime<Utc>,
) -> Result<Grant, Problem> {
    let code = state.codes.get_mut(text).ok_or_else(|| bad("Cannot decrypt the authorization code"))?;
    if code.grant.client_id != client_id {
        return Err(bad("Authorization code was not issued to this client"));
    }
    if code.grant.account_id != account_id {
        return Err(bad("Invalid account"));
    }
    if code.used {
        return Err(bad("Authorization code has been revoked"));
    }
    if now - code.issued_at > CODE_TTL {
        return Err(bad("Authorization code has expired"));
    }
    code.used = true;
    let grant = code.grant.clone();
    if behaviour.reconnect_revokes_pairs {
        state.revoke_pairs(client_id, account_id);
    }
    Ok(grant)
}

fn spend_refresh(
    state: &mut AmocrmState,
    behaviour: &Behaviour,
    text: &str,
    client_id: &str,
    account_id: u64,
    now: DateTime<Utc>,
) -> Result<Grant, Problem> {
    let status = StatusCode::from_u16(behaviour.bad_refresh_status).unwrap_or(StatusCode::UNAUTHORIZED);
    let refuse = |hint| Problem::oauth(StatusCode::UNAUTHORIZED, Some(hint));
    let token = state
        .refresh
        .get_mut(text)
        .ok_or_else(|| Problem::oauth(status, Some("Cannot decrypt the refresh token")))?;
    if token.grant.client_id != client_id {
        return Err(refuse("Token is not linked to client"));
    }
    if token.grant.account_id != account_id {
        return Err(bad("Invalid account"));
    }
    let grace = Duration::milliseconds(i64::try_from(behaviour.refresh_grace_ms).unwrap_or(i64::MAX));
    let spent = token.spent_at.is_some_and(|at| now - at >= grace);
    if token.revoked || spent {
        return Err(refuse("Token has been revoked"));
    }
    if now - token.issued_at > REFRESH_TOKEN_IDLE_TTL {
        return Err(Problem::oauth(status, Some("Token has expired")));
    }
    token.spent_at.get_or_insert(now);
    let (grant, access) = (token.grant.clone(), token.access.clone());
    if behaviour.refresh_revokes_access
        && let Some(old) = state.access.get_mut(&access)
    {
        old.revoked = true;
    }
    Ok(grant)
}

fn issue_pair(amo: &Amocrm, state: &mut AmocrmState, grant: Grant, now: DateTime<Utc>) -> HandlerResult {
    let Some(integration) = state.integration(&grant.client_id) else {
        return Err(Problem::client_authentication_failed());
    };
    let platform = integration.platform;
    let access = amo
        .inner
        .key
        .access_token(&grant, integration, now)
        .map_err(|_| Problem::oauth(StatusCode::INTERNAL_SERVER_ERROR, None))?;
    let refresh = opaque();
    let expires_at = now + Duration::seconds(ACCESS_TOKEN_TTL_S);
    state.access.insert(access.clone(), AccessToken { grant: grant.clone(), expires_at, revoked: false });
    let token =
        RefreshToken { grant, access: access.clone(), issued_at: now, spent_at: None, revoked: false };
    state.refresh.insert(refresh.clone(), token);
    let mut pair = json!({
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_TTL_S,
        "access_token": access,
        "refresh_token": refresh,
    });
    if platform == Platform::Kommo {
        pair["server_time"] = json!(now.timestamp());
    }
    Ok(Response::builder().content_type("application/json").body(pair.to_string()))
}

/// A code or refresh token in amoCRM's format: a long opaque hex string.
pub(crate) fn opaque() -> String {
    use rand::RngCore;
    let mut bytes = [0_u8; 320];
    rand::rng().fill_bytes(&mut bytes);
    format!("def50200{}", hex::encode(bytes))
}
