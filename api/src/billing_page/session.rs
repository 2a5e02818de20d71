//! Who is on the page: a sealed link, traded for a sealed cookie.

use chrono::TimeDelta;
use flysk_domain::id::{InstallId, UserId};
use flysk_runtime::keyring::same_secret;
use flysk_store::platform::installs::{self, Install};
use poem::http::{StatusCode, header};
use poem::web::{Data, Query};
use poem::{Request, Response, handler};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::trouble;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// How long a link is good for: a widget gets a new one with each handshake.
const LINK_LIVES: TimeDelta = TimeDelta::hours(1);
/// How long somebody may stay on the page, the bank's form included.
const SESSION_LIVES: TimeDelta = TimeDelta::hours(4);
const LINK: &str = "billing_link";
const COOKIE: &str = "flysk_billing";

#[derive(Serialize, Deserialize)]
struct Link {
    install: InstallId,
    user: UserId,
    until: i64,
}

/// A user on the page of one install.
pub(super) struct Visitor {
    /// The install, as it is now.
    pub(super) install: Install,
    /// The user.
    pub(super) user_id: UserId,
    secret: String,
}

#[derive(Serialize, Deserialize)]
struct Session {
    user: UserId,
    until: i64,
    secret: String,
}

/// The address where an administrator of an install's account buys Flycoins.
pub(crate) fn link(deps: &Deps, install: InstallId, user: UserId) -> Result<String, Problem> {
    let until = (deps.clock().now() + LINK_LIVES).timestamp();
    let sealed = seal(deps, &Link { install, user, until }, LINK)?;
    let mut url = deps.config.http.public_url.join("billing/flycoins").map_err(|error| internal(&error))?;
    url.query_pairs_mut().append_pair("ticket", &sealed);
    Ok(url.into())
}

/// What the link's address carries.
#[derive(Deserialize)]
pub(super) struct Ticket {
    ticket: Option<String>,
}

/// `GET /billing/flycoins?ticket=…`: trades the link for a cookie and leads on.
#[handler]
pub(super) fn enter(Data(deps): Data<&Deps>, Query(query): Query<Ticket>) -> Response {
    let Some((install, cookie)) = query.ticket.and_then(|ticket| trade(deps, &ticket)) else {
        return trouble(&stale());
    };
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, format!("/billing/flycoins/{install}"))
        .header(header::SET_COOKIE, cookie)
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish()
}

fn trade(deps: &Deps, ticket: &str) -> Option<(InstallId, String)> {
    let link: Link = open(deps, ticket, LINK)?;
    let now = deps.clock().now();
    if link.until <= now.timestamp() {
        return None;
    }
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    let session = Session { user: link.user, until: (now + SESSION_LIVES).timestamp(), secret };
    let sealed = seal(deps, &session, &place(link.install)).ok()?;
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    // Of this install alone, so that two accounts in two tabs are not one. Lax, since the bank leads back by
    // a link.
    let cookie = format!(
        "{COOKIE}={sealed}; Path=/billing/flycoins/{}; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        link.install,
        SESSION_LIVES.num_seconds()
    );
    Some((link.install, cookie))
}

/// Who is there, and the install as it is now.
pub(super) async fn visitor(deps: &Deps, request: &Request, install: &str) -> Result<Visitor, Problem> {
    let install: InstallId = install.parse().map_err(|_| stale())?;
    let cookies = request.header(header::COOKIE).unwrap_or_default();
    let prefix = format!("{COOKIE}=");
    let sealed = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(&prefix));
    let session: Session = sealed.and_then(|sealed| open(deps, sealed, &place(install))).ok_or_else(stale)?;
    if session.until <= deps.clock().now().timestamp() {
        return Err(stale());
    }
    let mut conn = deps.conn().await?;
    let install = installs::find(on(&mut conn), install).await?.ok_or_else(stale)?;
    Ok(Visitor { install, user_id: session.user, secret: session.secret })
}

impl Visitor {
    /// What a form of this visitor carries: nobody else's page can know it.
    pub(super) fn form_token(&self, deps: &Deps) -> String {
        deps.keyring.lookup_hash(&self.about_form()).to_string()
    }

    /// Whether a form is one of ours, given to this visitor.
    pub(super) fn sent(&self, deps: &Deps, token: &str) -> bool {
        let hashes = deps.keyring.lookup_hashes(&self.about_form());
        hashes.iter().any(|hash| same_secret(hash.to_string().as_bytes(), token.as_bytes()))
    }

    fn about_form(&self) -> String {
        format!("billing_form\n{}\n{}", self.install.id, self.secret)
    }
}

fn place(install: InstallId) -> String {
    format!("billing_session:{install}")
}

fn seal(deps: &Deps, what: &impl Serialize, place: &str) -> Result<String, Problem> {
    let text = serde_json::to_string(what).map_err(|error| internal(&error))?;
    deps.keyring.seal_statement(&SecretString::from(text), place).map_err(|error| internal(&error))
}

fn open<T: DeserializeOwned>(deps: &Deps, sealed: &str, place: &str) -> Option<T> {
    let text = deps.keyring.open_statement(sealed, place).ok()?;
    serde_json::from_str(text.expose_secret()).ok()
}

fn stale() -> Problem {
    Problem::new(ProblemCode::Unauthorized, "open the page from the widget")
}

fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(error = %error, "a link of the billing page cannot be made");
    Problem::new(ProblemCode::Internal, "told to our operators")
}
