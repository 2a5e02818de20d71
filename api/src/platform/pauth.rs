//! `POST /v1/pauth`: returns a vendor's backend an access token of an account.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::Access;
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::open_late_subscription;
use flysk_store::JsonText;
use flysk_store::platform::accounts;
use flysk_store::platform::installs::Install;
use flysk_store::platform::tokens::Pair;
use flysk_store::platform::widgets::Widget;
use flysk_tokens::{AccessToken, Freshness, TokenRequester, VaultError};
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use secrecy::ExposeSecret;

use super::access::find_access;
use super::subscriptions::{SubscriptionAccess, access_of_user};
use super::tag::Tag;
use crate::auth::{BackendCaller, verify_for_widget};
use crate::cache::InstallAccess;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{ExactJson, FreeJson, StrictJson};
use crate::time::Time;

/// Minimum remaining lifetime of a returned token.
const MIN_TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_mins(5);
/// A rejected token younger than this is not renewed: the rejection has another cause.
pub(super) const MIN_RENEWAL_AGE: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

// No `Debug`: it contains a token.
/// The account: either a user's token or an account id.
#[derive(Object)]
#[oai(example)]
struct PauthRequest {
    /// The `X-Auth-Token` that the widget sent to the backend.
    token: Option<String>,
    /// Account id in amoCRM, for background work.
    account_id: Option<u64>,
    /// SHA-256 of an access token that amoCRM answered with 401, as 64 lower-case hexadecimal digits. If this is still the account's
    /// token, and it was issued more than ten minutes ago, it is renewed first.
    refused_token_sha256: Option<String>,
}

impl Example for PauthRequest {
    fn example() -> Self {
        Self { token: None, account_id: Some(31_234_567), refused_token_sha256: None }
    }
}

// No `Debug`: it contains a token.
/// Access of a widget to an account.
#[derive(Object)]
#[oai(example)]
pub(crate) struct AccountAccess {
    /// Access token for amoCRM's API. Flysk never returns the refresh token: using it would invalidate the stored token pair.
    access_token: String,
    /// Expiry of the access token.
    expires_at: Time,
    /// The account's host, for example `demo.amocrm.ru`.
    base_domain: String,
    /// Account id in amoCRM.
    account_id: u64,
    /// Install id.
    install_id: String,
    /// Always `active`: other statuses return a problem.
    install_status: Choice<InstallStatus>,
    /// Settings of the install.
    settings: FreeJson,
    /// User id of the token; null for a request with `account_id`.
    user_id: Option<u64>,
    /// Whether the account may use the widget, or the user of the `token`, if the widget gives seats to users; null if the widget
    /// sells no subscriptions.
    subscription: Option<SubscriptionAccess>,
}

impl Example for AccountAccess {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.…".to_owned(),
            expires_at: Time::example(),
            base_domain: "demo.amocrm.ru".to_owned(),
            account_id: 31_234_567,
            install_id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            install_status: InstallStatus::Active.into(),
            settings: FreeJson(JsonText::empty_object()),
            user_id: Some(501),
            subscription: Some(SubscriptionAccess::example()),
        }
    }
}

answers! {
    /// Responses of `pauth`.
    PauthAnswer {
        /// Access to the account.
        200 => Ok(ExactJson<AccountAccess>, header "ETag" String),
        /// Nothing has changed since the response with this `ETag`.
        304 => NotModified { header "ETag" String },
    }
    problems {
        /// The request has neither `token` nor `account_id`, or both.
        400 => BadRequest,
        /// Missing or invalid project token, or invalid `token`.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive, ReconnectRequired],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// Internal error.
        500 => Internal,
        /// The access token cannot be renewed at present.
        502 => UpstreamUnavailable,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// The `PAuth` operation.
pub(crate) struct PauthApi;

#[OpenApi(tag = "Tag::Backend")]
impl PauthApi {
    /// Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access token for amoCRM.
    ///
    /// PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM, which is
    /// verified, or an `account_id` for background work. Answers 403 unless the widget is active in the account. An access
    /// token that expires within five minutes is renewed first. Whether amoCRM still accepts a token is not checked: if amoCRM
    /// answers 401 to it, ask again with `refused_token_sha256`. The gateway does this by itself.
    #[oai(path = "/v1/pauth", method = "post", operation_id = "pauth")]
    async fn pauth(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// `ETag` of an earlier response. The response is 304 if nothing has changed and the token is valid for 5 more minutes.
        #[oai(name = "If-None-Match")]
        known: Header<Option<String>>,
        body: StrictJson<PauthRequest>,
    ) -> PauthAnswer {
        match pauth(&deps, &trace, caller, body.0, known.0.as_deref()).await {
            Ok((Some(view), tag)) => PauthAnswer::Ok(ExactJson(view), tag),
            Ok((None, tag)) => PauthAnswer::NotModified(tag),
            Err(problem) => problem.into(),
        }
    }
}

/// The answer and its `ETag`; no answer if the caller's `If-None-Match` matches.
async fn pauth(
    deps: &Deps,
    trace: &Trace,
    caller: BackendCaller,
    body: PauthRequest,
    known: Option<&str>,
) -> Result<(Option<AccountAccess>, String), Problem> {
    let widget = caller.0;
    let refused = refused_token(&body)?;
    let (account, user_id, host_in_token) = on_behalf_of(deps, &widget, body)?;
    let mut access = find_access(deps, &widget, account).await?;
    must_be_active(&access.install)?;
    if widget.uses_subscriptions && access.subscription.is_none() {
        let install = access.install.id;
        access.subscription = Some(open_late_subscription(&deps.outbox, trace, &widget, install).await?);
    }
    if host_in_token.is_some_and(|host_in_token| host_in_token.as_str() != access.host) {
        access.host = current_host(deps, &access).await?;
    }
    // A 304 discloses no token, so it needs no entry in the audit log.
    let lives = |pair: &&Pair| pair.expires_at > deps.clock().now() + MIN_TOKEN_LIFETIME;
    if let Some((pair, known)) = access.pair.as_ref().filter(lives).zip(known.filter(|_| refused.is_none())) {
        let allowed = may_use(deps, &widget, &access, user_id).await?;
        let tag = etag(&access, allowed, pair.generation, user_id);
        if matches_etag(known, &tag) {
            return Ok((None, tag));
        }
    }
    let requester = requester(&widget, user_id);
    let mut token = token(deps, trace, &access, &requester).await?;
    if refused.is_some_and(|refused| is_refused(&token, &refused, deps.clock().now())) {
        let other = Freshness::NotGeneration(token.generation);
        let renewed = deps.vault.access_token(access.install.id, other, &requester, trace).await;
        token = renewed.map_err(vault_problem)?;
    }
    if access.pair.as_ref().is_none_or(|pair| pair.generation != token.generation) {
        // The renewal may have found a new host of the account.
        let mut conn = deps.conn().await?;
        let found = accounts::find(&mut conn, access.install.crm, account).await?;
        access.host = found.map_or(access.host, |account| account.host);
    }
    let allowed = may_use(deps, &widget, &access, user_id).await?;
    let tag = etag(&access, allowed, token.generation, user_id);
    let InstallAccess { install, host, .. } = access;
    let view = AccountAccess {
        access_token: token.secret.expose_secret().to_owned(),
        expires_at: token.expires_at.into(),
        base_domain: host,
        account_id: install.account_id.0,
        install_id: install.id.to_string(),
        install_status: install.status.into(),
        settings: FreeJson(install.settings),
        user_id,
        subscription: allowed.map(SubscriptionAccess::from),
    };
    Ok((Some(view), tag))
}

/// The current host of an account that may have been renamed; the stored host if amoCRM cannot be asked.
async fn current_host(deps: &Deps, access: &InstallAccess) -> Result<String, Problem> {
    let known = deps.vault.host(access.install.crm, &access.host).map_err(vault_problem)?;
    match deps.vault.renamed_from(access.install.id, &known).await {
        Ok(moved) => Ok(moved.unwrap_or(known).to_string()),
        Err(error) => {
            tracing::warn!(error = %error, install.id = %access.install.id, "account host check failed, using the stored host");
            Ok(known.to_string())
        }
    }
}

/// The stored access token if it is valid for [`MIN_TOKEN_LIFETIME`], otherwise a renewed one.
async fn token(
    deps: &Deps,
    trace: &Trace,
    access: &InstallAccess,
    requester: &TokenRequester,
) -> Result<AccessToken, Problem> {
    let freshness = Freshness::ValidFor(MIN_TOKEN_LIFETIME);
    if let Some(pair) = &access.pair
        && let Some(token) =
            deps.vault.access_token_from(pair, freshness, requester, trace).await.map_err(vault_problem)?
    {
        return Ok(token);
    }
    deps.vault.access_token(access.install.id, freshness, requester, trace).await.map_err(vault_problem)
}

/// Recipient of the token, for the audit log.
fn requester(widget: &Widget, user_id: Option<u64>) -> TokenRequester {
    let purpose = user_id.map_or_else(|| "background".to_owned(), |user| format!("user {user}"));
    TokenRequester { name: format!("backend:{}", widget.code), purpose }
}

/// The hash of the token that amoCRM refused, if the request names one.
fn refused_token(body: &PauthRequest) -> Result<Option<String>, Problem> {
    const SHA256_HEX_LEN: usize = 64;
    let Some(hash) = &body.refused_token_sha256 else { return Ok(None) };
    let is_hex = hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && hash.len() == SHA256_HEX_LEN {
        return Ok(Some(hash.clone()));
    }
    let why = "`refused_token_sha256` must be 64 lower-case hexadecimal digits";
    Err(Problem::new(ProblemCode::BadRequest, why))
}

/// Whether a token is the refused one, and old enough that another one would help.
fn is_refused(token: &AccessToken, refused: &str, now: DateTime<Utc>) -> bool {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(token.secret.expose_secret().as_bytes());
    token.issued_at + MIN_RENEWAL_AGE <= now && hex::encode(hash) == refused
}

/// The account, the user, and the account's host according to the user's token.
fn on_behalf_of(
    deps: &Deps,
    widget: &Widget,
    body: PauthRequest,
) -> Result<(AccountId, Option<u64>, Option<AccountHost>), Problem> {
    match (body.token, body.account_id) {
        (Some(token), None) => {
            let (account, user, host) = verify_for_widget(deps, &token, widget)?;
            Ok((account, Some(user.0), Some(host)))
        }
        (None, Some(account_id)) => Ok((AccountId(account_id), None, None)),
        _ => Err(Problem::new(ProblemCode::BadRequest, "send either `token` or `account_id`")),
    }
}

/// Hash over everything in the answer. It reveals nothing about the access token.
fn etag(access: &InstallAccess, allowed: Option<Access>, pair: u64, user_id: Option<u64>) -> String {
    use sha2::Digest as _;
    let InstallAccess { install, host, .. } = access;
    let user = user_id.unwrap_or_default();
    let all = format!(
        "{} {} {} {host} {pair} {user} {allowed:?}",
        install.id, install.status, install.settings_version
    );
    let hash = sha2::Sha256::digest(all.as_bytes());
    format!("\"{}\"", hex::encode(&hash[..12]))
}

/// Access of the user, or of the account, by the subscription now; `None` for a widget that sells none.
async fn may_use(
    deps: &Deps,
    widget: &Widget,
    access: &InstallAccess,
    user: Option<u64>,
) -> Result<Option<Access>, Problem> {
    // Access that was read while the widget sold subscriptions still has one.
    let Some(row) = access.subscription.as_ref().filter(|_| widget.uses_subscriptions) else {
        return Ok(None);
    };
    access_of_user(deps, widget, row, user).await.map(Some)
}

/// Whether `If-None-Match` matches the tag: it is a list of tags, compared weakly, or `*`.
///
/// Source: RFC 9110, 13.1.2 and 8.8.3.2. Tags of this API contain no comma.
fn matches_etag(if_none_match: &str, tag: &str) -> bool {
    if_none_match
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Requires a valid grant. The widget may be switched off: it may still have to clean up in the account.
pub(super) fn must_have_access(install: &Install) -> Result<(), Problem> {
    if install.status.has_access() {
        return Ok(());
    }
    Err(vault_problem(VaultError::NoAccess(install.status)))
}

fn must_be_active(install: &Install) -> Result<(), Problem> {
    match install.status {
        InstallStatus::Active => Ok(()),
        InstallStatus::Reconnect => {
            Err(Problem::new(ProblemCode::ReconnectRequired, "the account's grant is no longer valid"))
        }
        status => Err(Problem::new(ProblemCode::InstallInactive, format!("the install is `{status}`"))),
    }
}

/// The problem for an error of the token vault.
pub(crate) fn vault_problem(error: VaultError) -> Problem {
    match error {
        VaultError::UnknownInstall => Problem::new(ProblemCode::NotInstalled, "no such install"),
        VaultError::NoAccess(InstallStatus::Reconnect) | VaultError::Refused(_) => {
            Problem::new(ProblemCode::ReconnectRequired, "the account's grant is no longer valid")
        }
        VaultError::NoAccess(status) => {
            Problem::new(ProblemCode::InstallInactive, format!("the install is `{status}`"))
        }
        VaultError::Busy { .. } | VaultError::InDoubt(_) | VaultError::NotNow { .. } | VaultError::CutOff => {
            Problem::new(ProblemCode::UpstreamUnavailable, "the access token cannot be renewed right now")
        }
        VaultError::Store(error) => error.into(),
        error => {
            tracing::error!(error = %error, "token vault error");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches_etag;

    #[test]
    fn if_none_match_is_a_list_compared_weakly() {
        for known in ["\"a1\"", "W/\"a1\"", "\"b2\", \"a1\"", "\"b2\",W/\"a1\"", "*"] {
            assert!(matches_etag(known, "\"a1\""), "{known}");
        }
        for known in ["", "a1", "\"b2\"", "W/\"b2\", \"c3\"", "\"a1"] {
            assert!(!matches_etag(known, "\"a1\""), "{known}");
        }
    }
}
