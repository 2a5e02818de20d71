//! `GET /oauth/amocrm/connect`: a person begins to grant access (again).
//!
//! The `state` that comes back is kept by its hash, belongs to who began, and is good once; a cookie binds
//! it to this very browser. Source: amoCRM docs, oauth/step-by-step; RFC 6749, section 10.12.

use chrono::TimeDelta;
use flysk_domain::platform::crm::Crm;
use flysk_store::platform::connect_states::{self, ConnectState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Html;
use rand::Rng as _;
use url::Url;

use super::page::{Back, Ending, content_security_policy, page};
use super::ticket;
use crate::deps::{Deps, on};
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode};

/// How long a person may take on amoCRM's page.
const PATIENCE: TimeDelta = TimeDelta::minutes(20);
/// Names the cookie that binds a state to its browser: a person may begin in several windows.
pub(super) fn cookie_of(state: &str) -> String {
    let name: String = state.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("flysk_connect_{name}")
}

/// Where the browser goes.
#[derive(poem_openapi::ApiResponse)]
pub(crate) enum ConnectAnswer {
    /// To amoCRM's page.
    #[oai(status = 302)]
    Redirect(#[oai(header = "Location")] String, #[oai(header = "Set-Cookie")] String),
    /// The address is not one of ours, or too old: a page says so.
    #[oai(status = 400)]
    BadRequest(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// There is no such widget: a page says so.
    #[oai(status = 404)]
    NotFound(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// A defect of ours: a page says so.
    #[oai(status = 500)]
    Internal(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// A part of the service is away: a page says so.
    #[oai(status = 503)]
    Unavailable(Html<String>, #[oai(header = "Content-Security-Policy")] String),
}

/// Beginning to grant access.
pub(crate) struct ConnectApi;

#[OpenApi(tag = "Tag::OAuth")]
impl ConnectApi {
    /// Begin to connect a widget, or to connect it again.
    ///
    /// Open it in a window of about 750 × 580. With the `ticket` of a handshake's `connect_url`, or with the
    /// `widget`'s code for a first connection. `mode=popup` closes the window and leads the page that opened it
    /// through; by default the window itself goes on and tells its opener with `postMessage`.
    #[oai(path = "/oauth/amocrm/connect", method = "get", operation_id = "connect")]
    async fn connect(
        &self,
        deps: Data<&Deps>,
        /// The ticket of a handshake's `connect_url`.
        ticket: Query<Option<String>>,
        /// The widget's code, without a ticket.
        widget: Query<Option<String>>,
        /// `post_message` or `popup`.
        mode: Query<Option<String>>,
    ) -> ConnectAnswer {
        match begin(&deps, ticket.0.as_deref(), widget.0.as_deref(), mode.0.as_deref()).await {
            Ok((location, cookie)) => ConnectAnswer::Redirect(location, cookie),
            Err(problem) => {
                tracing::info!(problem = %problem, "a connection was not begun");
                let crm = crm_of(&deps, ticket.0.as_deref(), widget.0.as_deref()).await.ok().flatten();
                let page = Html(page(Ending::Failed, &Back::Service(crm.unwrap_or(Crm::Amocrm))));
                let policy = content_security_policy();
                match problem.status {
                    400 => ConnectAnswer::BadRequest(page, policy),
                    404 => ConnectAnswer::NotFound(page, policy),
                    503 => ConnectAnswer::Unavailable(page, policy),
                    _ => ConnectAnswer::Internal(page, policy),
                }
            }
        }
    }
}

async fn begin(
    deps: &Deps,
    ticket: Option<&str>,
    code: Option<&str>,
    mode: Option<&str>,
) -> Result<(String, String), Problem> {
    let bad = |why: &str| Problem::new(ProblemCode::BadRequest, why);
    let mode = match mode {
        None | Some("post_message") => "post_message",
        Some("popup") => "popup",
        Some(_) => return Err(bad("`mode` is `post_message` or `popup`")),
    };
    let now = deps.clock().now();
    let mut conn = deps.conn().await?;
    let begun = match (ticket, code) {
        (Some(ticket), None) => ticket::read(&deps.keyring, ticket, now)
            .ok_or_else(|| bad("the ticket is not ours, or too old"))?,
        (None, Some(code)) => {
            let widget = widgets::find_by_code(on(&mut conn), code).await?.ok_or_else(unknown_widget)?;
            ConnectState { widget_id: widget.id, account_id: None, user_id: None }
        }
        _ => return Err(bad("give either `ticket` or `widget`")),
    };
    let widget = widgets::find(on(&mut conn), begun.widget_id).await?.ok_or_else(unknown_widget)?;
    let state = fresh_state();
    let hash = deps.keyring.lookup_hash(&state).to_string();
    drop(conn);
    let insert = || async {
        let mut conn = deps.conn().await?;
        Ok::<_, Problem>(connect_states::insert(on(&mut conn), &hash, &begun, now, now + PATIENCE).await?)
    };
    repeat_contended(insert).await?;
    Ok((location(deps, &widget, &state, mode)?, cookie(deps, &state)))
}

/// The service of the widget that was meant, for the way back.
async fn crm_of(deps: &Deps, ticket: Option<&str>, code: Option<&str>) -> Result<Option<Crm>, Problem> {
    let mut conn = deps.conn().await?;
    let begun = ticket.and_then(|ticket| ticket::read(&deps.keyring, ticket, deps.clock().now()));
    let widget = match (begun, code) {
        (Some(begun), _) => widgets::find(on(&mut conn), begun.widget_id).await?,
        (None, Some(code)) => widgets::find_by_code(on(&mut conn), code).await?,
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
        tracing::error!(error = %error, "the address of the OAuth page is none");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.query_pairs_mut()
        .append_pair("client_id", &widget.client_uuid)
        .append_pair("state", state)
        .append_pair("mode", mode);
    Ok(url.into())
}

/// Lax, since the browser comes back from amoCRM by following a link.
fn cookie(deps: &Deps, state: &str) -> String {
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    format!(
        "{}={state}; Path=/oauth/amocrm; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        cookie_of(state),
        PATIENCE.num_seconds()
    )
}

fn fresh_state() -> String {
    let random: u128 = rand::rng().random();
    let more: u128 = rand::rng().random();
    format!("{random:032x}{more:032x}")
}
