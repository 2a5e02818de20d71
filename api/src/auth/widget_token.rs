//! The one-time token of amoCRM's widgets.
//!
//! HS256 under the integration's secret, which is chosen from our own table by the unverified
//! `client_uuid`; then everything is checked: algorithm, audience, issuer, times, and the uuid again.
//! Source: amoCRM docs, oauth/disposable-tokens, and amoCRM's PHP library.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, UserId};
use flysk_domain::platform::host::AccountHost;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::widgets::{self, Widget};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// Clocks differ, and amoCRM's own library grants this much.
const LEEWAY_S: i64 = 60;

/// A token that was verified, and whose it is.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The widget that sent it.
    pub(crate) widget: Widget,
    /// The widget in the user's account.
    pub(crate) install: Install,
    /// The user.
    pub(crate) user_id: UserId,
    /// Whether the user administers the account; amoCRM does not always say, and then not.
    pub(crate) is_admin: bool,
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

/// Verifies a token and finds its install.
pub(crate) async fn verify(deps: &Deps, token: &str) -> Result<Verified, Problem> {
    let claimed: Claims =
        jsonwebtoken::dangerous::insecure_decode(token).map_err(|_| refused("not a token of amoCRM"))?.claims;
    let mut conn = deps.conn().await?;
    let uuid = claimed.client_uuid.to_ascii_lowercase();
    let widget = widgets::find_by_client_uuid(on(&mut conn), &uuid).await?;
    let widget = widget.ok_or_else(|| refused("the token is of an integration we do not know"))?;
    let secret = deps.vault.client_secret(&widget).map_err(|error| {
        tracing::error!(error = %error, widget.code = %widget.code, "the widget's secret cannot be opened");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    let claims = decode(token, secret.expose_secret().as_bytes())?;
    check(&claims, &widget, &deps.config.amocrm.host_suffixes, deps.clock().now())?;
    let install = installs::find_in_account(on(&mut conn), widget.id, AccountId(claims.account_id)).await?;
    let install = install
        .ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "install the widget in this account first"))?;
    Ok(Verified {
        widget,
        install,
        user_id: UserId(claims.user_id),
        is_admin: claims.is_admin.unwrap_or(false),
    })
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

fn check(claims: &Claims, widget: &Widget, suffixes: &[String], now: DateTime<Utc>) -> Result<(), Problem> {
    let now = now.timestamp();
    if claims.exp + LEEWAY_S < now {
        return Err(Problem::new(ProblemCode::TokenExpired, "the token lives half an hour"));
    }
    if claims.nbf.is_some_and(|nbf| nbf - LEEWAY_S > now) {
        return Err(refused("the token is not valid yet: check the clock"));
    }
    if !claims.client_uuid.eq_ignore_ascii_case(&widget.client_uuid) {
        return Err(refused("the token is of another integration"));
    }
    if Some(claims.aud.trim_end_matches('/')) != audience(&widget.redirect_uri).as_deref() {
        return Err(refused("the token is meant for another address"));
    }
    if AccountHost::parse_issuer(&claims.iss, suffixes).is_err() {
        return Err(refused("the token was issued by nobody we trust"));
    }
    Ok(())
}

/// `scheme://host` of the redirect address, without the port, as amoCRM builds it.
fn audience(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    Some(format!("{}://{}", url.scheme(), url.host_str()?))
}

fn refused(why: &str) -> Problem {
    Problem::new(ProblemCode::Unauthorized, why)
}
