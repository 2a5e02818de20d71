//! `GET /oauth/amocrm/connect`: redirects an administrator to amoCRM to grant access, also again.
//!
//! The `state` is stored as a blind index, is bound to the account and user of the ticket, and can be used once. A cookie binds
//! it to the browser. The number of unexpired states is limited per account and per address. Source: amoCRM docs,
//! oauth/step-by-step; RFC 6749, section 10.12.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock;
use flysk_domain::platform::crm::Crm;
use flysk_services::installs::open_connect_link;
use flysk_store::platform::connect_states::{self, ConnectState, NewConnectState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{Conn, repeat_contended};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Html;
use url::Url;

use super::page::{Ending, ReturnLink, content_security_policy, page};
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode};
use crate::source::{source_key, source_of};

/// Lifetime of a state: the time a user has on amoCRM's page.
const STATE_TTL: TimeDelta = TimeDelta::minutes(20);
/// Maximum number of unexpired states of a widget and account: a few administrators, several windows each.
const MAX_STATES_OF_ACCOUNT: u32 = 50;
/// Maximum number of unexpired states from an address; an office may have one address.
const MAX_STATES_FROM_SOURCE: u32 = 200;
/// `Retry-After` at a limit, in seconds: states expire one by one.
const LIMIT_RETRY_AFTER_S: u32 = 60;

/// Name of the cookie that binds a state to its browser. It contains a part of the state, because a user may connect in
/// several windows at once.
pub(super) fn cookie_name(state: &str) -> String {
    let name: String = state.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("flysk_connect_{name}")
}

/// Responses of `connectWidget`.
#[derive(poem_openapi::ApiResponse)]
pub(crate) enum ConnectAnswer {
    /// Redirect to amoCRM's page.
    #[oai(status = 302)]
    Redirect(#[oai(header = "Location")] String, #[oai(header = "Set-Cookie")] String),
    /// Invalid parameters or expired ticket, as an HTML page.
    #[oai(status = 400)]
    BadRequest(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Unknown widget, as an HTML page.
    #[oai(status = 404)]
    NotFound(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Too many reconnects of the account or from the address are in progress, as an HTML page that asks the user to retry.
    #[oai(status = 429)]
    TooManyRequests(
        Html<String>,
        #[oai(header = "Content-Security-Policy")] String,
        #[oai(header = "Retry-After")] u32,
    ),
    /// Internal error, as an HTML page.
    #[oai(status = 500)]
    Internal(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Service temporarily unavailable, as an HTML page.
    #[oai(status = 503)]
    Unavailable(Html<String>, #[oai(header = "Content-Security-Policy")] String),
}

/// Operation that starts to grant access.
pub(crate) struct ConnectApi;

#[OpenApi(tag = "Tag::OAuth")]
impl ConnectApi {
    /// Connect a widget, or connect it again.
    ///
    /// Open this URL in a window of about 750 × 580 pixels, with the `ticket` of a handshake's `connect_url`, or with the code of
    /// the `widget` for a first connection. With `mode=popup` amoCRM closes the window and redirects the opener to the callback.
    /// By default the window itself is redirected, and the final page notifies its opener with `postMessage`.
    #[oai(path = "/oauth/amocrm/connect", method = "get", operation_id = "connectWidget")]
    async fn connect(
        &self,
        deps: Data<&Deps>,
        request: &poem::Request,
        /// Ticket of a handshake's `connect_url`.
        ticket: Query<Option<String>>,
        /// Code of the widget; only without `ticket`.
        widget: Query<Option<String>>,
        /// `post_message` (default) or `popup`.
        mode: Query<Option<String>>,
    ) -> ConnectAnswer {
        let source = source_key(source_of(&deps.config.http.proxies, request));
        match begin(&deps, &source, ticket.0.as_deref(), widget.0.as_deref(), mode.0.as_deref()).await {
            Ok((location, cookie)) => ConnectAnswer::Redirect(location, cookie),
            Err(problem) => {
                tracing::info!(problem = %problem, "connect request rejected");
                let crm = crm_of(&deps, ticket.0.as_deref(), widget.0.as_deref()).await.ok().flatten();
                let ending = if problem.status == 429 { Ending::Busy } else { Ending::Failed };
                let page = Html(page(ending, &ReturnLink::Service(crm.unwrap_or(Crm::Amocrm))));
                let policy = content_security_policy();
                match problem.status {
                    400 => ConnectAnswer::BadRequest(page, policy),
                    404 => ConnectAnswer::NotFound(page, policy),
                    429 => ConnectAnswer::TooManyRequests(page, policy, LIMIT_RETRY_AFTER_S),
                    503 => ConnectAnswer::Unavailable(page, policy),
                    _ => ConnectAnswer::Internal(page, policy),
                }
            }
        }
    }
}

async fn begin(
    deps: &Deps,
    source: &str,
    ticket: Option<&str>,
    code: Option<&str>,
    mode: Option<&str>,
) -> Result<(String, String), Problem> {
    let bad = |why: &str| Problem::new(ProblemCode::BadRequest, why);
    let mode = match mode {
        None | Some("post_message") => "post_message",
        Some("popup") => "popup",
        Some(_) => return Err(bad("`mode` must be `post_message` or `popup`")),
    };
    let now = deps.clock().now();
    let mut conn = deps.conn().await?;
    let begun = match (ticket, code) {
        (Some(ticket), None) => {
            open_connect_link(&deps.keyring, ticket, now).ok_or_else(|| bad("invalid or expired `ticket`"))?
        }
        (None, Some(code)) => {
            let widget = widgets::find_by_code(&mut conn, code).await?.ok_or_else(unknown_widget)?;
            ConnectState { widget_id: widget.id, account_id: None, user_id: None }
        }
        _ => return Err(bad("send either `ticket` or `widget`")),
    };
    let widget = widgets::find(&mut conn, begun.widget_id).await?.ok_or_else(unknown_widget)?;
    limit_states(&mut conn, &begun, source, now).await?;
    let state = generate_state(deps.clock());
    let hash = deps.keyring.blind_index(&state).to_string();
    drop(conn);
    let insert = || async {
        let mut conn = deps.conn().await?;
        let expires_at = now + STATE_TTL;
        let new = NewConnectState { state_hash: &hash, begun: &begun, source, now, expires_at };
        Ok::<_, Problem>(connect_states::insert(&mut conn, &new).await?)
    };
    repeat_contended(insert).await?;
    Ok((location(deps, &widget, &state, mode)?, cookie(deps, &state)))
}

/// Refuses another state at a limit. The limits are approximate: concurrent requests do not count each other's states.
async fn limit_states(
    conn: &mut Conn,
    begun: &ConnectState,
    source: &str,
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let refuse = |limit: &'static str| {
        metrics::counter!("flysk_connect_states_refused_total", "limit" => limit).increment(1);
        let why = format!("too many reconnects are in progress ({limit})");
        Err(Problem::new(ProblemCode::TooManyRequests, why).retry_after(LIMIT_RETRY_AFTER_S))
    };
    if let Some(account) = begun.account_id {
        let max = MAX_STATES_OF_ACCOUNT;
        if connect_states::count_of_account(conn, begun.widget_id, account, now, max).await? >= max {
            return refuse("account");
        }
    }
    let max = MAX_STATES_FROM_SOURCE;
    if connect_states::count_from_source(conn, source, now, max).await? >= max {
        return refuse("source");
    }
    Ok(())
}

/// The CRM of the requested widget, for the link of the error page.
async fn crm_of(deps: &Deps, ticket: Option<&str>, code: Option<&str>) -> Result<Option<Crm>, Problem> {
    let mut conn = deps.conn().await?;
    let begun = ticket.and_then(|ticket| open_connect_link(&deps.keyring, ticket, deps.clock().now()));
    let widget = match (begun, code) {
        (Some(begun), _) => widgets::find(&mut conn, begun.widget_id).await?,
        (None, Some(code)) => widgets::find_by_code(&mut conn, code).await?,
        (None, None) => None,
    };
    Ok(widget.map(|widget| widget.crm))
}

fn unknown_widget() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such widget")
}

fn location(deps: &Deps, widget: &Widget, state: &str, mode: &str) -> Result<String, Problem> {
    let page = deps.config.amocrm.oauth_page.clone().map_or_else(|| Url::parse(widget.crm.oauth_page()), Ok);
    let mut url = page.map_err(|error| {
        tracing::error!(error = %error, "invalid URL of the OAuth page");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.query_pairs_mut()
        .append_pair("client_id", &widget.client_uuid)
        .append_pair("state", state)
        .append_pair("mode", mode);
    Ok(url.into())
}

/// The cookie is `SameSite=Lax`, because the browser returns from amoCRM by a cross-site redirect.
fn cookie(deps: &Deps, state: &str) -> String {
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    format!(
        "{}={state}; Path=/oauth/amocrm; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(state),
        STATE_TTL.num_seconds()
    )
}

fn generate_state(clock: &dyn Clock) -> String {
    format!("{:032x}{:032x}", clock.random_u128(), clock.random_u128())
}
