//! The one-time token of amoCRM's widgets.
//!
//! HS256 under the integration's secret, which is chosen from our own table by the unverified
//! `client_uuid`; then everything is checked: algorithm, audience, issuer, times, and the uuid again.
//! A token may be used again while it lives: amoCRM does not say whether its pages fetch one per call.
//! Source: amoCRM docs, oauth/disposable-tokens, and amoCRM's PHP library.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, UserId};
use flysk_domain::platform::host::AccountHost;
use flysk_store::ledger::{WalletRow, find_wallet_of_install};
use flysk_store::platform::handshake::{self, Found};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::widget::WidgetUser;
use crate::deps::{Deps, of, on};
use crate::problem::{Problem, ProblemCode};

/// Clocks differ, and amoCRM's own library grants this much.
const LEEWAY_S: i64 = 60;

/// A token that was verified, and whose it is.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The widget that sent it.
    pub(crate) widget: Widget,
    /// The widget in the user's account, if it is installed there.
    pub(crate) install: Option<Install>,
    /// Its wallet there, as the last movement left it.
    pub(crate) wallet: Option<WalletRow>,
    /// The account.
    pub(crate) account_id: AccountId,
    /// Where the account lives, as the token says.
    pub(crate) host: AccountHost,
    /// The user.
    pub(crate) user_id: UserId,
    /// Whether the user administers the account; amoCRM does not always say, and then not.
    pub(crate) is_admin: bool,
}

/// The one-time token amoCRM's page gives a widget (`$authorizedAjax`).
#[derive(SecurityScheme)]
#[oai(
    rename = "WidgetToken",
    ty = "api_key",
    key_name = "X-Auth-Token",
    key_in = "header",
    checker = "check_scheme"
)]
pub(crate) struct WidgetToken(pub(crate) Verified);

async fn check_scheme(request: &Request, key: ApiKey) -> poem::Result<Verified> {
    Ok(verify(of(request)?, &key.key).await?)
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(deserialize_with = "number")]
    account_id: u64,
    #[serde(deserialize_with = "number")]
    user_id: u64,
    client_uuid: String,
    #[serde(default)]
    is_admin: Option<bool>,
}

/// Ids come as numbers or as text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Verifies a token. Costs at most one read: widget and install come together, from memory if they are known.
pub(crate) async fn verify(deps: &Deps, token: &str) -> Result<Verified, Problem> {
    let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
    let claimed = claimed.map_err(|_| refused("not a token of amoCRM"))?.claims;
    let uuid = claimed.client_uuid.to_ascii_lowercase();
    let found = find(deps, &uuid, AccountId(claimed.account_id)).await?;
    let Found { widget, install, wallet } =
        found.ok_or_else(|| refused("the token is of an integration we do not know"))?;
    let claims = decode_as(deps, token, &widget)?;
    let host = check(&claims, &widget, &deps.config.amocrm.host_suffixes, deps.clock().now())?;
    // The same claims that were read before they were verified: the signature covers them.
    let install = install.filter(|install| install.account_id.0 == claims.account_id);
    Ok(Verified {
        widget,
        wallet: wallet.filter(|_| install.is_some()),
        install,
        account_id: AccountId(claims.account_id),
        host,
        user_id: UserId(claims.user_id),
        is_admin: claims.is_admin.unwrap_or(false),
    })
}

/// What a token leads to. A wallet is never remembered, since it changes with every charge, at any process: of an
/// install that is known it alone is read.
async fn find(deps: &Deps, client_uuid: &str, account: AccountId) -> Result<Option<Found>, Problem> {
    if let Some((widget, install)) = deps.known.integration(client_uuid, account) {
        let wallet = if widget.uses_flycoins {
            find_wallet_of_install(on(&mut deps.conn().await?), install.id).await?
        } else {
            None
        };
        return Ok(Some(Found { widget, install: Some(install), wallet }));
    }
    let reading = deps.known.reading();
    let found = handshake::find(on(&mut deps.conn().await?), client_uuid, account).await?;
    if let Some(Found { widget, install: Some(install), .. }) = &found {
        deps.known.keep_integration(reading, widget, install);
    }
    Ok(found)
}

/// Verifies a token of a user in whose account the widget is installed, in whatever status.
pub(crate) async fn verify_installed(deps: &Deps, token: &str) -> Result<WidgetUser, Problem> {
    let Verified { widget, install, user_id, is_admin, .. } = verify(deps, token).await?;
    let install = install
        .ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "install the widget in this account first"))?;
    Ok(WidgetUser { widget, install, user_id, is_admin })
}

/// Whose a token is that was sent to the backend of `widget`, in the account it names, and where that lives. Costs no
/// read.
pub(crate) fn verify_of(
    deps: &Deps,
    token: &str,
    widget: &Widget,
) -> Result<(AccountId, UserId, AccountHost), Problem> {
    let claims = decode_as(deps, token, widget)?;
    let host = check(&claims, widget, &deps.config.amocrm.host_suffixes, deps.clock().now())?;
    Ok((AccountId(claims.account_id), UserId(claims.user_id), host))
}

fn decode_as(deps: &Deps, token: &str, widget: &Widget) -> Result<Claims, Problem> {
    let secret = deps.vault.client_secret(widget).map_err(|error| {
        tracing::error!(error = %error, widget.code = %widget.code, "the widget's secret cannot be opened");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    decode(token, secret.expose_secret().as_bytes())
}

fn decode(token: &str, secret: &[u8]) -> Result<Claims, Problem> {
    let mut validation = Validation::new(Algorithm::HS256);
    // Times, audience and issuer are checked below, against our own clock and table.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let data = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret), &validation);
    Ok(data.map_err(|_| refused("the token's signature is not the integration's"))?.claims)
}

fn check(
    claims: &Claims,
    widget: &Widget,
    suffixes: &[String],
    now: DateTime<Utc>,
) -> Result<AccountHost, Problem> {
    let now = now.timestamp();
    if claims.exp.saturating_add(LEEWAY_S) < now {
        return Err(Problem::new(ProblemCode::TokenExpired, "the token lives half an hour"));
    }
    if claims.nbf.is_some_and(|nbf| nbf.saturating_sub(LEEWAY_S) > now) {
        return Err(refused("the token is not valid yet: check the clock"));
    }
    if !claims.client_uuid.eq_ignore_ascii_case(&widget.client_uuid) {
        return Err(refused("the token is of another integration"));
    }
    if Some(claims.aud.trim_end_matches('/')) != audience(&widget.redirect_uri).as_deref() {
        return Err(refused("the token is meant for another address"));
    }
    AccountHost::parse_issuer(&claims.iss, suffixes)
        .and_then(|host| host.of(widget.crm))
        .map_err(|_| refused("the token was issued by nobody we trust"))
}

/// `scheme://host` of the redirect address, without the port, as amoCRM builds it.
fn audience(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    Some(format!("{}://{}", url.scheme(), url.host_str()?))
}

fn refused(why: &str) -> Problem {
    Problem::new(ProblemCode::Unauthorized, why)
}
