//! Verification of amoCRM's one-time tokens for widgets.
//!
//! A token is a JWT signed with HS256 and the integration's secret. The unverified `client_uuid` selects the widget and its
//! secret; then signature, algorithm, audience, issuer, times and `client_uuid` are verified. A token may be used more than
//! once until it expires: amoCRM does not document whether its pages request a token per call.
//! Source: amoCRM docs, oauth/disposable-tokens, and amoCRM's PHP library.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, UserId};
use flysk_domain::platform::host::AccountHost;
use flysk_store::platform::handshake::{self, HandshakeRow};
use flysk_store::platform::installs::Install;
use flysk_store::platform::ledger::WalletRow;
use flysk_store::platform::widgets::Widget;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;
use secrecy::ExposeSecret;
use url::Url;

use super::claims::Claims;
use super::user::WidgetUser;
use crate::call_log::Caller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Allowed clock difference, in milliseconds; the same as in amoCRM's own library.
const LEEWAY_MS: i64 = 60_000;

/// A verified token with its widget, install and user.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    /// The widget that sent it.
    pub(crate) widget: Widget,
    /// The widget's install in the user's account, if there is one.
    pub(crate) install: Option<Install>,
    /// The install's wallet. Expired holds and lots may not be released yet.
    pub(crate) wallet: Option<WalletRow>,
    pub(crate) account_id: AccountId,
    /// The account's host, from the issuer of the token.
    pub(crate) host: AccountHost,
    pub(crate) user_id: UserId,
    /// Whether the user is an administrator of the account; `false` if the token does not contain it.
    pub(crate) is_admin: bool,
}

/// Token of a widget's page (`$authorizedAjax`), valid for 30 minutes. amoCRM calls it one-time; Flysk accepts it until it expires.
#[derive(SecurityScheme)]
#[oai(
    rename = "WidgetToken",
    ty = "api_key",
    key_name = "X-Auth-Token",
    key_in = "header",
    checker = "check_scheme"
)]
pub(crate) struct WidgetToken(pub(crate) VerifiedToken);

async fn check_scheme(request: &Request, key: ApiKey) -> poem::Result<VerifiedToken> {
    let verified = verify(Deps::from_request(request)?, &key.key).await?;
    Caller::note(request, verified.widget.id);
    Ok(verified)
}

/// Verifies a token. Needs at most one query: widget and install are read together, from the cache if possible.
pub(crate) async fn verify(deps: &Deps, token: &str) -> Result<VerifiedToken, Problem> {
    let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
    let claimed = claimed.map_err(|_| unauthorized("the token is not a JWT of amoCRM"))?.claims;
    let uuid = claimed.client_uuid.to_ascii_lowercase();
    let found = find(deps, &uuid, AccountId(claimed.account_id)).await?;
    let HandshakeRow { widget, install, wallet } =
        found.ok_or_else(|| unauthorized("the token's integration is not registered"))?;
    let claims = decode_as(deps, token, &widget)?;
    let host = check(&claims, &widget, &deps.config.amocrm.host_suffixes, deps.clock().now())?;
    // The rows were read by the unverified claims; the signature covers the same claims.
    let install = install.filter(|install| install.account_id.0 == claims.account_id);
    Ok(VerifiedToken {
        widget,
        wallet: wallet.filter(|_| install.is_some()),
        install,
        account_id: AccountId(claims.account_id),
        host,
        user_id: UserId(claims.user_id),
        is_admin: claims.is_admin.unwrap_or(false),
    })
}

/// Widget, install and wallet of a token. Wallets are never cached, because every process changes them: for a cached
/// install only the wallet is read, with those of other callers.
async fn find(deps: &Deps, client_uuid: &str, account: AccountId) -> Result<Option<HandshakeRow>, Problem> {
    if let Some((widget, install)) = deps.cache.integration(client_uuid, account) {
        let wallet = if widget.uses_flycoins { deps.wallet_reads.find(install.id).await? } else { None };
        return Ok(Some(HandshakeRow { widget, install: Some(install), wallet }));
    }
    let epoch = deps.cache.read_epoch();
    let found = handshake::find(&mut *deps.conn().await?, client_uuid, account).await?;
    if let Some(HandshakeRow { widget, install: Some(install), .. }) = &found {
        deps.cache.insert_integration(epoch, widget, install);
    }
    Ok(found)
}

/// Verifies a token. Fails with `install_not_found` if the widget has no install in the account; any status is accepted.
pub(crate) async fn verify_installed(deps: &Deps, token: &str) -> Result<WidgetUser, Problem> {
    let VerifiedToken { widget, install, user_id, is_admin, .. } = verify(deps, token).await?;
    let install = install.ok_or_else(|| {
        Problem::new(ProblemCode::NotInstalled, "the widget is not installed in this account")
    })?;
    Ok(WidgetUser { widget, install, user_id, is_admin })
}

/// Verifies a token that a backend of `widget` received; returns the account, the user and the account's host. Needs no
/// query.
pub(crate) fn verify_for_widget(
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
        tracing::error!(error = %error, widget.code = %widget.code, "cannot decrypt the widget's secret");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    decode(token, secret.expose_secret().as_bytes())
}

fn decode(token: &str, secret: &[u8]) -> Result<Claims, Problem> {
    let mut validation = Validation::new(Algorithm::HS256);
    // `check` verifies times, audience and issuer, with the database's clock and the widget's row.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let data = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret), &validation);
    Ok(data.map_err(|_| unauthorized("invalid token signature"))?.claims)
}

fn check(
    claims: &Claims,
    widget: &Widget,
    suffixes: &[String],
    now: DateTime<Utc>,
) -> Result<AccountHost, Problem> {
    let now_ms = now.timestamp_millis();
    if claims.exp.unix_ms().saturating_add(LEEWAY_MS) < now_ms {
        return Err(Problem::new(ProblemCode::TokenExpired, "token expired (30 minutes)"));
    }
    if claims.nbf.is_some_and(|nbf| nbf.unix_ms().saturating_sub(LEEWAY_MS) > now_ms) {
        return Err(unauthorized("the token is not valid yet"));
    }
    if !claims.client_uuid.eq_ignore_ascii_case(&widget.client_uuid) {
        return Err(unauthorized("the token belongs to another integration"));
    }
    if !audience(&widget.redirect_uri).is_some_and(|ours| claims.aud.contains(&ours)) {
        return Err(unauthorized("the token's audience is not the widget's redirect URI"));
    }
    AccountHost::parse_issuer(&claims.iss, suffixes)
        .and_then(|host| host.of(widget.crm))
        .map_err(|_| unauthorized("the token's issuer is not trusted"))
}

/// `scheme://host` of the redirect URI, without the port: the audience of amoCRM's tokens.
fn audience(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    Some(format!("{}://{}", url.scheme(), url.host_str()?))
}

fn unauthorized(why: &str) -> Problem {
    Problem::new(ProblemCode::Unauthorized, why)
}
