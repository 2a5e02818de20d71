//! `GET /oauth/amocrm/callback`: receives authorization codes from amoCRM's server or from the user's browser.
//!
//! amoCRM waits 3 s, ignores the response and does not retry, so the code is stored and a job exchanges it. Anybody can send
//! such a request. So the client secret is sent only to hosts that are one label below a trusted domain, and a browser must
//! send the state that was issued to it. Source: amoCRM docs, oauth/step-by-step.

use flysk_crypto::aad;
use flysk_crypto::same_secret;
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_store::platform::connect_states::{self, ConnectState};
use flysk_store::platform::oauth_codes::{self, GrantSource, NewCode};
use flysk_store::platform::unvouched_codes;
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Html;
use secrecy::SecretString;
use url::Url;

use super::admission::{Arrival, admit_code};
use super::connect::cookie_name;
use super::page::{Ending, ReturnLink, content_security_policy, page};
use super::problems::bad_request;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode};
use crate::source::{source_key, source_of};

// No `Debug`: it contains a code and a state.
/// The query of a callback. amoCRM may send undocumented parameters.
#[derive(Default)]
struct Callback {
    code: Option<String>,
    referer: Option<String>,
    client_id: Option<String>,
    from_widget: Option<String>,
    state: Option<String>,
    platform: Option<String>,
    error: Option<String>,
}

/// Responses are HTML pages for the user's browser; amoCRM's server ignores them.
#[derive(poem_openapi::ApiResponse)]
pub(crate) enum CallbackAnswer {
    /// The code is stored, or the user refused access.
    #[oai(status = 200)]
    Ok(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Invalid code, host or state, or a state of another browser.
    #[oai(status = 400)]
    BadRequest(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Unknown integration.
    #[oai(status = 404)]
    NotFound(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Too many codes of the widget are waiting. The page asks the user to retry.
    #[oai(status = 429)]
    TooManyRequests(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Internal error.
    #[oai(status = 500)]
    Internal(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// The database is unavailable: connect the widget again.
    #[oai(status = 503)]
    Unavailable(Html<String>, #[oai(header = "Content-Security-Policy")] String),
}

/// Operations that receive authorization codes.
pub(crate) struct CallbackApi;

#[OpenApi(tag = "Tag::OAuth")]
impl CallbackApi {
    /// Receive an authorization code. The redirect URI of integrations: called by amoCRM and browsers, not by you.
    ///
    /// amoCRM's server calls this when the widget is installed (`code`, `referer`, `from_widget`, `client_id`), or redirects the
    /// administrator's browser here (`code`, `referer`, `state`, `client_id`; or `error` if access was refused).
    /// Without `client_id`, only one widget may be registered.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(path = "/oauth/amocrm/callback", method = "get", operation_id = "receiveAuthorizationCode")]
    async fn receive_code(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        request: &poem::Request,
        /// Authorization code; absent if access was refused.
        code: Query<Option<String>>,
        /// Host of the account.
        referer: Query<Option<String>>,
        /// Client id of the integration.
        client_id: Query<Option<String>>,
        /// Present if amoCRM's server calls.
        from_widget: Query<Option<String>>,
        /// State from `/oauth/amocrm/connect`; present if a browser is redirected here.
        state: Query<Option<String>>,
        /// CRM: `1` for amocrm.ru, `2` for kommo.com.
        platform: Query<Option<String>>,
        /// `access_denied` if access was refused.
        error: Query<Option<String>>,
    ) -> CallbackAnswer {
        let query = Callback {
            code: code.0,
            referer: referer.0,
            client_id: client_id.0,
            from_widget: from_widget.0,
            state: state.0,
            platform: platform.0,
            error: error.0,
        };
        answer(&deps, &trace, &query, request, None).await
    }

    /// Receive an authorization code for one widget. Called by amoCRM and browsers, not by you.
    ///
    /// The redirect URI of integrations whose requests contain no `client_id`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(
        path = "/oauth/amocrm/callback/:widget",
        method = "get",
        operation_id = "receiveWidgetAuthorizationCode"
    )]
    async fn receive_widget_code(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        request: &poem::Request,
        /// Code of the widget.
        widget: Path<String>,
        /// Authorization code; absent if access was refused.
        code: Query<Option<String>>,
        /// Host of the account.
        referer: Query<Option<String>>,
        /// Client id of the integration.
        client_id: Query<Option<String>>,
        /// Present if amoCRM's server calls.
        from_widget: Query<Option<String>>,
        /// State from `/oauth/amocrm/connect`; present if a browser is redirected here.
        state: Query<Option<String>>,
        /// CRM: `1` for amocrm.ru, `2` for kommo.com.
        platform: Query<Option<String>>,
        /// `access_denied` if access was refused.
        error: Query<Option<String>>,
    ) -> CallbackAnswer {
        let query = Callback {
            code: code.0,
            referer: referer.0,
            client_id: client_id.0,
            from_widget: from_widget.0,
            state: state.0,
            platform: platform.0,
            error: error.0,
        };
        answer(&deps, &trace, &query, request, Some(&widget.0)).await
    }
}

async fn answer(
    deps: &Deps,
    trace: &Trace,
    query: &Callback,
    request: &poem::Request,
    widget: Option<&str>,
) -> CallbackAnswer {
    let ending = if query.error.is_some() {
        Ok(Ending::Refused)
    } else {
        let taken = repeat_contended(|| accept_code(deps, trace, query, widget, request)).await;
        taken.map(|()| Ending::Connected)
    };
    let link = return_link(deps, query, widget).await;
    let policy = content_security_policy();
    let problem = match ending {
        Ok(ending) => return CallbackAnswer::Ok(Html(page(ending, &link)), policy),
        Err(problem) => problem,
    };
    tracing::warn!(problem = %problem, "authorization code rejected");
    let ending = if problem.status == 429 { Ending::Busy } else { Ending::Failed };
    let page = Html(page(ending, &link));
    match problem.status {
        400 => CallbackAnswer::BadRequest(page, policy),
        404 => CallbackAnswer::NotFound(page, policy),
        429 => CallbackAnswer::TooManyRequests(page, policy),
        503 => CallbackAnswer::Unavailable(page, policy),
        _ => CallbackAnswer::Internal(page, policy),
    }
}

/// The link of the page: to the account if it is known, otherwise to the website of the widget's CRM.
async fn return_link(deps: &Deps, query: &Callback, code_of_widget: Option<&str>) -> ReturnLink {
    if let Some(host) = query.referer.as_deref().and_then(|text| host(deps, text)) {
        return ReturnLink::Account(host);
    }
    let crm = match widget_of(deps, query.client_id.as_deref(), code_of_widget).await {
        Ok(widget) => Some(widget.crm),
        Err(_) => widget_of_state(deps, query.state.as_deref()).await.ok().flatten(),
    };
    // Without a widget, the unverified `platform` is sufficient for a link. Source: amoCRM docs, oauth/step-by-step.
    let requested = if query.platform.as_deref() == Some("2") { Crm::Kommo } else { Crm::Amocrm };
    ReturnLink::Service(crm.unwrap_or(requested))
}

/// The CRM of the widget that a state was issued for, even if the state was used: a refusal contains only the state.
async fn widget_of_state(deps: &Deps, state: Option<&str>) -> Result<Option<Crm>, Problem> {
    let Some(state) = state else { return Ok(None) };
    let mut conn = deps.conn().await?;
    for hash in deps.keyring.blind_indexes(state) {
        if let Some(begun) = connect_states::find(&mut conn, &hash.to_string()).await? {
            return Ok(widgets::find(&mut conn, begun.widget_id).await?.map(|widget| widget.crm));
        }
    }
    Ok(None)
}

/// The `Cookie` header. Source: RFC 6265, section 4.2.1.
fn cookies(request: &poem::Request) -> &str {
    request.header("Cookie").unwrap_or_default()
}

/// Whether the browser has the cookie that binds this state to it.
fn has_state_cookie(cookies: &str, state: &str) -> bool {
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let name = cookie_name(state);
    pairs.any(|(named, value)| named == name && same_secret(value.as_bytes(), state.as_bytes()))
}

fn host(deps: &Deps, referer: &str) -> Option<AccountHost> {
    AccountHost::parse(referer, &deps.config.amocrm.host_suffixes).ok()
}

async fn accept_code(
    deps: &Deps,
    trace: &Trace,
    query: &Callback,
    code_of_widget: Option<&str>,
    request: &poem::Request,
) -> Result<(), Problem> {
    let code =
        query.code.as_deref().filter(|code| !code.is_empty()).ok_or_else(|| bad_request("no `code`"))?;
    let referer = query.referer.as_deref().ok_or_else(|| bad_request("no `referer`"))?;
    let host = host(deps, referer).ok_or_else(|| bad_request("`referer` must be the host of an account"))?;
    let widget = widget_of(deps, query.client_id.as_deref(), code_of_widget).await?;
    let host = host.of(widget.crm).map_err(|error| bad_request(&error.to_string()))?;
    let id = OauthCodeId::generate(deps.clock());
    let sealed =
        deps.keyring.seal(&SecretString::from(code.to_owned()), &aad::code(id)).map_err(|error| {
            tracing::error!(error = %error, "cannot encrypt an authorization code");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        })?;
    let grant_source = if query.from_widget.is_some() { GrantSource::Install } else { GrantSource::Browser };
    let source = source_key(source_of(&deps.config.http.proxies, request));
    let now = deps.clock().now();
    let mut unit = deps.begin(trace).await?;
    let credit = unvouched_codes::credit_of(&mut unit, &source, now).await?;
    let new = NewCode {
        id,
        widget_id: widget.id,
        host: host.as_str(),
        code_sealed: &sealed,
        code_hash: &deps.keyring.blind_index(code).to_string(),
        grant_source,
        source: &source,
        credit,
    };
    // A repeated code is the same grant and gets the same response.
    if oauth_codes::insert(&mut unit, &new, now).await? {
        let begun = match grant_source {
            GrantSource::Browser => {
                let state = query.state.as_deref();
                Some(consume_state(deps, &mut unit, &widget, state, cookies(request)).await?)
            }
            GrantSource::Install => None,
        };
        let (widget, source) = (&widget, source.as_str());
        let arrival = Arrival { id, widget, host: &host, source, credit, begun, at: now };
        admit_code(&mut unit, &arrival).await?;
    }
    Ok(unit.commit().await?)
}

/// The widget with this code or client id; without both, the only registered widget.
async fn widget_of(deps: &Deps, client_id: Option<&str>, code: Option<&str>) -> Result<Widget, Problem> {
    let mut conn = deps.conn().await?;
    let conn = &mut *conn;
    let widget = match (code, client_id) {
        (Some(code), _) => widgets::find_by_code(conn, code).await?,
        (None, Some(client)) => widgets::find_by_client_uuid(conn, &client.to_ascii_lowercase()).await?,
        (None, None) => {
            Some(widgets::list(conn).await?).filter(|all| all.len() == 1).and_then(|mut all| all.pop())
        }
    };
    let widget = widget.ok_or_else(|| Problem::new(ProblemCode::NotFound, "unknown integration"))?;
    // The redirect URI of one widget with the `client_id` of another is a configuration error.
    if client_id.is_some_and(|client| !client.eq_ignore_ascii_case(&widget.client_uuid)) {
        return Err(bad_request("`client_id` belongs to another integration"));
    }
    Ok(widget)
}

/// Consumes a state. It must have been issued for this widget and to this browser, and not be expired or used.
async fn consume_state(
    deps: &Deps,
    conn: &mut flysk_store::Conn,
    widget: &Widget,
    state: Option<&str>,
    cookies: &str,
) -> Result<ConnectState, Problem> {
    let state = state.ok_or_else(|| bad_request("no `state`: start at /oauth/amocrm/connect"))?;
    if shares_cookies(deps, widget) && !has_state_cookie(cookies, state) {
        return Err(bad_request("`state` belongs to another browser"));
    }
    let now = deps.clock().now();
    for hash in deps.keyring.blind_indexes(state) {
        if let Some(begun) = connect_states::use_up(conn, &hash.to_string(), widget.id, now).await? {
            tracing::info!(account.id = ?begun.account_id, user.id = ?begun.user_id, "connect state consumed");
            return Ok(begun);
        }
    }
    Err(bad_request("`state` is unknown, expired or already used"))
}

/// Whether the widget's redirect URI has the public host name. A cookie is not sent to other host names of this server.
fn shares_cookies(deps: &Deps, widget: &Widget) -> bool {
    let redirect = Url::parse(&widget.redirect_uri).ok();
    redirect.as_ref().and_then(Url::host_str) == deps.config.http.public_url.host_str()
}
