//! `POST /v1/pauth`: server to server, what a widget may do in an account.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_store::platform::accounts;
use flysk_store::platform::installs::Install;
use flysk_store::platform::tokens::Pair;
use flysk_store::platform::widgets::Widget;
use flysk_vault::{Held, Need, Reader, VaultError};
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::{Object, OpenApi};
use secrecy::ExposeSecret;

use super::access::access_to;
use super::tag::Tag;
use crate::auth::{BackendCaller, verify_of};
use crate::deps::{Deps, on};
use crate::known::Access;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{ExactJson, FreeJson, StrictJson};

/// How long a token that is given should still live.
const AT_LEAST: std::time::Duration = std::time::Duration::from_mins(5);

// No `Debug`: it carries a token.
/// On whose behalf: exactly one of the two.
#[derive(Object)]
#[oai(example)]
struct PauthRequest {
    /// The `X-Auth-Token` the widget sent to the backend.
    token: Option<String>,
    /// An account, for work in the background.
    account_id: Option<u64>,
}

impl poem_openapi::types::Example for PauthRequest {
    fn example() -> Self {
        Self { token: None, account_id: Some(31_234_567) }
    }
}

// No `Debug`: it carries a token.
/// What the widget may do in the account.
#[derive(Object)]
pub(crate) struct AccessView {
    /// For amoCRM's API. The refresh token never leaves Flysk: a backend that spends it kills the pair.
    access_token: String,
    /// Until when it lives.
    expires_at: DateTime<Utc>,
    /// The account's host, `demo.amocrm.ru`.
    base_domain: String,
    /// The account.
    account_id: u64,
    /// The widget in it.
    install_id: String,
    /// `active`; anything else is answered with a problem.
    install_status: String,
    /// What the account's administrator set.
    settings: FreeJson,
    /// Who asks, if a user does.
    user_id: Option<u64>,
}

answers! {
    /// Answers of `pauth`.
    PauthAnswer {
        /// What the widget may do.
        200 => Ok(ExactJson<AccessView>, header "ETag" String),
        /// Nothing of it has changed.
        304 => NotModified { header "ETag" String },
    }
    problems {
        /// Neither a token nor an account, or both.
        400 => BadRequest,
        /// The project token or the widget's token is not accepted.
        401 => Unauthorized,
        /// The widget is not active there.
        403 => Forbidden,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// A defect of ours.
        500 => Internal,
        /// amoCRM cannot renew the token right now.
        502 => UpstreamUnavailable,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Backends of vendors.
pub(crate) struct PauthApi;

#[OpenApi(tag = "Tag::Backend")]
impl PauthApi {
    /// Who is calling, and a live access token for their account.
    ///
    /// With the token a widget sent, or with an account for work in the background. The access token is
    /// renewed first if it is about to expire.
    #[oai(path = "/v1/pauth", method = "post", operation_id = "pauth")]
    async fn pauth(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The `ETag` of an earlier answer: while it holds, and its token lives five minutes more, the answer is 304.
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

/// The answer, unless the caller knows it, and its tag.
async fn pauth(
    deps: &Deps,
    trace: &Trace,
    caller: BackendCaller,
    body: PauthRequest,
    known: Option<&str>,
) -> Result<(Option<AccessView>, String), Problem> {
    let widget = caller.0;
    let (account, user_id, said) = on_behalf_of(deps, &widget, body)?;
    let mut access = access_to(deps, &widget, account).await?;
    must_be_active(&access.install)?;
    if said.is_some_and(|said| said.as_str() != access.host) {
        access.host = present_host(deps, &access).await?;
    }
    // What the caller knows is told again only once something changed, and then the disclosure is noted.
    let lives = |pair: &&Pair| pair.expires_at > deps.clock().now() + AT_LEAST;
    if let Some((pair, known)) = access.pair.as_ref().filter(lives).zip(known) {
        let tag = tag(&access.install, &access.host, pair.pair, user_id);
        if names(known, &tag) {
            return Ok((None, tag));
        }
    }
    let held = token(deps, trace, &widget, &access, user_id).await?;
    if access.pair.as_ref().is_none_or(|pair| pair.pair != held.pair) {
        // Whoever renewed the pair may have found the account elsewhere.
        let mut conn = deps.conn().await?;
        let found = accounts::find(on(&mut conn), access.install.crm, account).await?;
        access.host = found.map_or(access.host, |account| account.host);
    }
    let Access { install, host, .. } = access;
    let tag = tag(&install, &host, held.pair, user_id);
    let view = AccessView {
        access_token: held.access_token.expose_secret().to_owned(),
        expires_at: held.expires_at,
        base_domain: host,
        account_id: install.account_id.0,
        install_id: install.id.to_string(),
        install_status: install.status.to_string(),
        settings: FreeJson(install.settings),
        user_id,
    };
    Ok((Some(view), tag))
}

/// Where an account lives that may have been renamed; where it was last seen, if that cannot be found out.
async fn present_host(deps: &Deps, access: &Access) -> Result<String, Problem> {
    let known = deps.vault.host(access.install.crm, &access.host).map_err(vault_problem)?;
    match deps.vault.moved_from(access.install.id, &known).await {
        Ok(moved) => Ok(moved.unwrap_or(known).to_string()),
        Err(error) => {
            tracing::warn!(error = %error, install.id = %access.install.id, "where the account lives cannot be found out");
            Ok(known.to_string())
        }
    }
}

/// The pair's token if it lives long enough, otherwise a fresh one.
async fn token(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    access: &Access,
    user_id: Option<u64>,
) -> Result<Held, Problem> {
    let purpose = user_id.map_or_else(|| "background".to_owned(), |user| format!("user {user}"));
    let reader = Reader { who: format!("backend:{}", widget.code), purpose };
    let need = Need::AliveFor(AT_LEAST);
    if let Some(pair) = &access.pair
        && let Some(held) = deps.vault.access_of(pair, need, &reader, trace).await.map_err(vault_problem)?
    {
        return Ok(held);
    }
    deps.vault.access(access.install.id, need, &reader, trace).await.map_err(vault_problem)
}

/// Which account, on behalf of which user, and where the user's page says it lives.
fn on_behalf_of(
    deps: &Deps,
    widget: &Widget,
    body: PauthRequest,
) -> Result<(AccountId, Option<u64>, Option<AccountHost>), Problem> {
    match (body.token, body.account_id) {
        (Some(token), None) => {
            let (account, user, host) = verify_of(deps, &token, widget)?;
            Ok((account, Some(user.0), Some(host)))
        }
        (None, Some(account_id)) => Ok((AccountId(account_id), None, None)),
        _ => Err(Problem::new(ProblemCode::BadRequest, "give either `token` or `account_id`")),
    }
}

/// Changes with everything the answer holds. Says nothing of the token itself.
fn tag(install: &Install, host: &str, pair: u64, user_id: Option<u64>) -> String {
    use sha2::Digest as _;
    let user = user_id.unwrap_or_default();
    let all = format!("{} {} {} {host} {pair} {user}", install.id, install.status, install.settings_version);
    let hash = sha2::Sha256::digest(all.as_bytes());
    format!("\"{}\"", hex::encode(&hash[..12]))
}

/// Whether `If-None-Match` names the tag: a list of tags, compared weakly, or `*` for any.
///
/// Source: RFC 9110, 13.1.2 and 8.8.3.2. No tag of ours holds a comma.
fn names(if_none_match: &str, tag: &str) -> bool {
    if_none_match
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// For what an account without a working widget may still need: tidying up.
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
            Err(Problem::new(ProblemCode::ReconnectRequired, "the account's grant was lost"))
        }
        status => Err(Problem::new(ProblemCode::InstallInactive, format!("the install is `{status}`"))),
    }
}

/// Why there is no token, in the API's words.
pub(crate) fn vault_problem(error: VaultError) -> Problem {
    match error {
        VaultError::UnknownInstall => Problem::new(ProblemCode::NotInstalled, "no such install"),
        VaultError::NoAccess(InstallStatus::Reconnect) | VaultError::Refused(_) => {
            Problem::new(ProblemCode::ReconnectRequired, "the account's grant was lost")
        }
        VaultError::NoAccess(status) => {
            Problem::new(ProblemCode::InstallInactive, format!("the install is `{status}`"))
        }
        VaultError::Busy { .. } | VaultError::InDoubt(_) | VaultError::NotNow { .. } | VaultError::CutOff => {
            Problem::new(ProblemCode::UpstreamUnavailable, "the access token cannot be renewed right now")
        }
        VaultError::Store(error) => error.into(),
        error => {
            tracing::error!(error = %error, "the vault failed");
            Problem::new(ProblemCode::Internal, "told to our operators")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn if_none_match_is_a_list_compared_weakly() {
        for known in ["\"a1\"", "W/\"a1\"", "\"b2\", \"a1\"", "\"b2\",W/\"a1\"", "*"] {
            assert!(names(known, "\"a1\""), "{known}");
        }
        for known in ["", "a1", "\"b2\"", "W/\"b2\", \"c3\"", "\"a1"] {
            assert!(!names(known, "\"a1\""), "{known}");
        }
    }
}
