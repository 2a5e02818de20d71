//! `GET /oauth/amocrm/callback`: codes arrive, by amoCRM's server or by the user's browser.
//!
//! amoCRM waits three seconds, ignores the answer and never calls again, so the code is made durable
//! and exchanged by a job. Anyone can send such a request: the host it names gets our secret only if
//! it is one label under a domain we trust, and a browser must bring the state it was given.
//! Source: amoCRM docs, oauth/step-by-step.

use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_runtime::keyring::same_secret;
use flysk_store::platform::connect_states::{self, ConnectState};
use flysk_store::platform::oauth_codes::{self, NewCode, Way};
use flysk_store::platform::unvouched_codes;
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::repeat_contended;
use flysk_vault::places;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Html;
use secrecy::SecretString;
use url::Url;

use super::admission::{Arrival, admit};
use super::connect::cookie_of;
use super::page::{Back, Ending, content_security_policy, page};
use crate::deps::{Deps, on};
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode};
use crate::source::{source_key, source_of};

// No `Debug`: it carries a code and a state.
/// What the request carried; amoCRM may send more than it says.
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

/// A page, since a person may be looking; amoCRM's server does not look at all.
#[derive(poem_openapi::ApiResponse)]
pub(crate) enum CallbackAnswer {
    /// The code is kept, or the user refused.
    #[oai(status = 200)]
    Ok(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Not a code of an account we trust, or not the browser that began.
    #[oai(status = 400)]
    BadRequest(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// No such integration here.
    #[oai(status = 404)]
    NotFound(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Too many codes of the widget wait already: a page says that it can be tried again.
    #[oai(status = 429)]
    TooManyRequests(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// A defect of ours.
    #[oai(status = 500)]
    Internal(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// The database is away: the widget has to be connected again.
    #[oai(status = 503)]
    Unavailable(Html<String>, #[oai(header = "Content-Security-Policy")] String),
}

/// Codes arriving.
pub(crate) struct CallbackApi;

#[OpenApi(tag = "Tag::OAuth")]
impl CallbackApi {
    /// A code arrives.
    ///
    /// amoCRM calls it itself when the widget is installed (query `code`, `referer`, `from_widget`, `client_id`), or
    /// sends the administrator's browser (`code`, `referer`, `state`, `client_id`; or `error` if access was refused).
    /// Without `client_id` there must be only one widget it can be for.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(path = "/oauth/amocrm/callback", method = "get", operation_id = "takeCode")]
    async fn take_code(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        request: &poem::Request,
        /// The code, unless access was refused.
        code: Query<Option<String>>,
        /// The account's host.
        referer: Query<Option<String>>,
        /// The integration.
        client_id: Query<Option<String>>,
        /// Given when amoCRM's own server calls.
        from_widget: Query<Option<String>>,
        /// Given when a browser comes from `/oauth/amocrm/connect`.
        state: Query<Option<String>>,
        /// `1` is amocrm.ru, `2` is kommo.com.
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

    /// A code arrives for the widget with this code: the redirect address of integrations whose requests name no
    /// `client_id`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    #[oai(path = "/oauth/amocrm/callback/:widget", method = "get", operation_id = "takeWidgetCode")]
    async fn take_widget_code(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        request: &poem::Request,
        /// The widget's code.
        widget: Path<String>,
        /// The code, unless access was refused.
        code: Query<Option<String>>,
        /// The account's host.
        referer: Query<Option<String>>,
        /// The integration.
        client_id: Query<Option<String>>,
        /// Given when amoCRM's own server calls.
        from_widget: Query<Option<String>>,
        /// Given when a browser comes from `/oauth/amocrm/connect`.
        state: Query<Option<String>>,
        /// `1` is amocrm.ru, `2` is kommo.com.
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
        let taken = repeat_contended(|| take_in(deps, trace, query, widget, request)).await;
        taken.map(|()| Ending::Connected)
    };
    let back = back(deps, query, widget).await;
    let policy = content_security_policy();
    let problem = match ending {
        Ok(ending) => return CallbackAnswer::Ok(Html(page(ending, &back)), policy),
        Err(problem) => problem,
    };
    tracing::warn!(problem = %problem, "a code was not taken");
    let ending = if problem.status == 429 { Ending::Busy } else { Ending::Failed };
    let page = Html(page(ending, &back));
    match problem.status {
        400 => CallbackAnswer::BadRequest(page, policy),
        404 => CallbackAnswer::NotFound(page, policy),
        429 => CallbackAnswer::TooManyRequests(page, policy),
        503 => CallbackAnswer::Unavailable(page, policy),
        _ => CallbackAnswer::Internal(page, policy),
    }
}

/// Where the page leads: to the account, or to the service of the widget, as far as it can be found out.
async fn back(deps: &Deps, query: &Callback, code_of_widget: Option<&str>) -> Back {
    if let Some(host) = query.referer.as_deref().and_then(|text| host(deps, text)) {
        return Back::Account(host);
    }
    let crm = match widget_of(deps, query.client_id.as_deref(), code_of_widget).await {
        Ok(widget) => Some(widget.crm),
        Err(_) => widget_of_state(deps, query.state.as_deref()).await.ok().flatten(),
    };
    // Without a widget the request's own word is good enough for a link. Source: amoCRM docs, oauth/step-by-step.
    let told = if query.platform.as_deref() == Some("2") { Crm::Kommo } else { Crm::Amocrm };
    Back::Service(crm.unwrap_or(told))
}

/// Of the widget that a state was made for, used up or not: a refusal brings nothing but the state.
async fn widget_of_state(deps: &Deps, state: Option<&str>) -> Result<Option<Crm>, Problem> {
    let Some(state) = state else { return Ok(None) };
    let mut conn = deps.conn().await?;
    for hash in deps.keyring.lookup_hashes(state) {
        if let Some(begun) = connect_states::find(on(&mut conn), &hash.to_string()).await? {
            return Ok(widgets::find(on(&mut conn), begun.widget_id).await?.map(|widget| widget.crm));
        }
    }
    Ok(None)
}

/// What the browser keeps of its ways to us. Source: RFC 6265, section 4.2.1.
fn cookies(request: &poem::Request) -> &str {
    request.header("Cookie").unwrap_or_default()
}

/// The cookie of a way begun here, which has the state for its value.
fn keeps(cookies: &str, state: &str) -> bool {
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let name = cookie_of(state);
    pairs.any(|(named, value)| named == name && same_secret(value.as_bytes(), state.as_bytes()))
}

fn host(deps: &Deps, referer: &str) -> Option<AccountHost> {
    AccountHost::parse(referer, &deps.config.amocrm.host_suffixes).ok()
}

async fn take_in(
    deps: &Deps,
    trace: &Trace,
    query: &Callback,
    code_of_widget: Option<&str>,
    request: &poem::Request,
) -> Result<(), Problem> {
    let code = query.code.as_deref().filter(|code| !code.is_empty()).ok_or_else(|| bad("no `code`"))?;
    let referer = query.referer.as_deref().ok_or_else(|| bad("no `referer`"))?;
    let host = host(deps, referer).ok_or_else(|| bad("`referer` is not the host of an account"))?;
    let widget = widget_of(deps, query.client_id.as_deref(), code_of_widget).await?;
    let host = host.of(widget.crm).map_err(|error| bad(&error.to_string()))?;
    let id = OauthCodeId::generate(deps.clock());
    let sealed =
        deps.keyring.seal(&SecretString::from(code.to_owned()), &places::code(id)).map_err(|error| {
            tracing::error!(error = %error, "a code cannot be sealed");
            Problem::new(ProblemCode::Internal, "told to our operators")
        })?;
    let way = if query.from_widget.is_some() { Way::Install } else { Way::Browser };
    let source = source_key(source_of(&deps.config.http.proxies, request));
    let now = deps.clock().now();
    let mut unit = deps.begin(trace).await?;
    let credit = unvouched_codes::credit_of(&mut unit, &source, now).await?;
    let new = NewCode {
        id,
        widget_id: widget.id,
        host: host.as_str(),
        code_sealed: &sealed,
        code_hash: &deps.keyring.lookup_hash(code).to_string(),
        way,
        source: &source,
        credit,
    };
    // The same code twice is the same grant, and gets the same answer.
    if oauth_codes::insert(&mut unit, &new, now).await? {
        let begun = match way {
            Way::Browser => {
                let state = query.state.as_deref();
                Some(use_up_state(deps, &mut unit, &widget, state, cookies(request)).await?)
            }
            Way::Install => None,
        };
        let (widget, source) = (&widget, source.as_str());
        let arrival = Arrival { id, widget, host: &host, source, credit, begun, at: now };
        admit(&mut unit, &arrival).await?;
    }
    Ok(unit.commit().await?)
}

/// The widget by its code, by the integration, or the only one there is.
async fn widget_of(deps: &Deps, client_id: Option<&str>, code: Option<&str>) -> Result<Widget, Problem> {
    let mut conn = deps.conn().await?;
    let conn = on(&mut conn);
    let widget = match (code, client_id) {
        (Some(code), _) => widgets::find_by_code(conn, code).await?,
        (None, Some(client)) => widgets::find_by_client_uuid(conn, &client.to_ascii_lowercase()).await?,
        (None, None) => {
            Some(widgets::list(conn).await?).filter(|all| all.len() == 1).and_then(|mut all| all.pop())
        }
    };
    let widget = widget.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such integration here"))?;
    // A widget's own address given another's `client_id` is a mistake somebody should see.
    if client_id.is_some_and(|client| !client.eq_ignore_ascii_case(&widget.client_uuid)) {
        return Err(bad("`client_id` is another integration's"));
    }
    Ok(widget)
}

/// The state must be one we gave, to this browser, for this widget, and not used before.
async fn use_up_state(
    deps: &Deps,
    conn: &mut flysk_store::Conn,
    widget: &Widget,
    state: Option<&str>,
    cookies: &str,
) -> Result<ConnectState, Problem> {
    let state = state.ok_or_else(|| bad("no `state`: begin at /oauth/amocrm/connect"))?;
    if shares_cookies(deps, widget) && !keeps(cookies, state) {
        return Err(bad("`state` belongs to another browser"));
    }
    let now = deps.clock().now();
    for hash in deps.keyring.lookup_hashes(state) {
        if let Some(begun) = connect_states::use_up(conn, &hash.to_string(), widget.id, now).await? {
            tracing::info!(account.id = ?begun.account_id, user.id = ?begun.user_id, "a connection came back");
            return Ok(begun);
        }
    }
    Err(bad("`state` is unknown, too old, or was used before"))
}

/// A widget may have its redirect address under another name of ours, where the cookie does not reach.
fn shares_cookies(deps: &Deps, widget: &Widget) -> bool {
    let redirect = Url::parse(&widget.redirect_uri).ok();
    redirect.as_ref().and_then(Url::host_str) == deps.config.http.public_url.host_str()
}

pub(super) fn bad(why: &str) -> Problem {
    Problem::new(ProblemCode::BadRequest, why)
}
