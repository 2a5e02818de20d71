//! Authentication on the hosted pages: an encrypted link is exchanged for an encrypted cookie.

use chrono::TimeDelta;
use flysk_crypto::same_secret;
use flysk_domain::id::{InstallId, UserId};
use flysk_store::platform::installs::{self, Install};
use poem::http::{StatusCode, header};
use poem::web::{Data, Query};
use poem::{Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::{act_as, error_page, link_use, render_page, session_expired, view};
use crate::billing_links::sealing::{open, seal};
use crate::billing_links::{HostedPage, LINK_TTL_S, SignedLink};
use crate::deps::Deps;
use crate::problem::Problem;

/// Lifetime of the cookie, including the time on T-Bank's payment form.
const SESSION_TTL: TimeDelta = TimeDelta::hours(4);
const COOKIE_NAME: &str = "flysk_billing";
/// Stands for the user while an operator looks on: amoCRM gives this number to nobody.
const NOBODY: UserId = UserId(0);

/// An authenticated user of the page of one install.
pub(super) struct Visitor {
    /// The current row of the install.
    pub(super) install: Install,
    pub(super) user_id: UserId,
    /// Whether the user was an administrator of the account at the handshake that issued the link.
    pub(super) is_admin: bool,
    /// Secret of the session; empty while an operator looks on, who has no forms.
    secret: String,
}

#[derive(Serialize, Deserialize)]
struct Session {
    user: UserId,
    #[serde(default)]
    admin: bool,
    until: i64,
    secret: String,
}

/// Purpose of the cookie of a page and an install.
fn session_aad(page: HostedPage, install: InstallId) -> String {
    match page {
        HostedPage::Flycoins => format!("billing_session:{install}"),
        HostedPage::Subscription => format!("billing_session:subscription:{install}"),
    }
}

/// Query of a signed link.
#[derive(Deserialize)]
pub(super) struct LinkQuery {
    ticket: Option<String>,
}

/// `GET /billing/flycoins?ticket=…`: exchanges the link for a cookie and redirects to the page.
#[handler]
pub(super) async fn open_flycoins(
    Data(deps): Data<&Deps>,
    request: &Request,
    Query(query): Query<LinkQuery>,
) -> Response {
    open_link(deps, HostedPage::Flycoins, request, query).await
}

/// `GET /billing/subscription?ticket=…`: exchanges the link for a cookie and redirects to the page.
#[handler]
pub(super) async fn open_subscription(
    Data(deps): Data<&Deps>,
    request: &Request,
    Query(query): Query<LinkQuery>,
) -> Response {
    open_link(deps, HostedPage::Subscription, request, query).await
}

/// `HEAD` of a link: programs that check links do not use them up.
#[handler]
pub(super) fn check_link() -> StatusCode {
    StatusCode::OK
}

/// Answer to another browser than the first one.
const OPENED_ELSEWHERE: view::Message = view::Message {
    title: "Ссылка уже использована",
    text: "Ссылку уже открыли в другом браузере или окне. Обновите страницу amoCRM и откройте её снова.",
};

async fn open_link(deps: &Deps, page: HostedPage, request: &Request, query: LinkQuery) -> Response {
    let ticket = query.ticket.unwrap_or_default();
    let Some((install, cookie)) = exchange_link(deps, page, &ticket) else {
        return error_page(page, &session_expired());
    };
    let Some(browser) = link_use::claim(deps, &ticket, LINK_TTL_S, request).await else {
        let shown = render_page(StatusCode::UNAUTHORIZED, &OPENED_ELSEWHERE);
        return shown.unwrap_or_else(|problem| error_page(page, &problem));
    };
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, format!("/{}/{install}", page.path()))
        .header(header::SET_COOKIE, cookie)
        .header(header::SET_COOKIE, browser)
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish()
}

fn exchange_link(deps: &Deps, page: HostedPage, ticket: &str) -> Option<(InstallId, String)> {
    let link = SignedLink::open(deps, page, ticket)?;
    let secret = format!("{:032x}{:032x}", deps.clock().random_u128(), deps.clock().random_u128());
    let until = (deps.clock().now() + SESSION_TTL).timestamp();
    let session = Session { user: link.user, admin: link.admin, until, secret };
    let sealed = seal(deps, &session, &session_aad(page, link.install)).ok()?;
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    // The path contains the install, so that two accounts in two tabs have separate cookies. `SameSite=Lax`, because T-Bank
    // returns the buyer by a cross-site navigation.
    let cookie = format!(
        "{COOKIE_NAME}={sealed}; Path=/{}/{}; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        page.path(),
        link.install,
        SESSION_TTL.num_seconds()
    );
    Some((link.install, cookie))
}

/// Authenticates the user by the cookie and reads the install.
pub(super) async fn visitor(
    deps: &Deps,
    page: HostedPage,
    request: &Request,
    install: &str,
) -> Result<Visitor, Problem> {
    let install: InstallId = install.parse().map_err(|_| session_expired())?;
    if let Some(acting) = act_as::of(deps, request, install) {
        // An ended view never becomes the session of a customer who uses the same browser.
        act_as::must_be_live(deps, &acting).await?;
        let install = installs::find(&mut *deps.conn().await?, install).await?.ok_or_else(session_expired)?;
        return Ok(Visitor { install, user_id: NOBODY, is_admin: true, secret: String::new() });
    }
    let cookies = request.header(header::COOKIE).unwrap_or_default();
    let prefix = format!("{COOKIE_NAME}=");
    let sealed = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(&prefix));
    let session: Session = sealed
        .and_then(|sealed| open(deps, sealed, &session_aad(page, install)))
        .ok_or_else(session_expired)?;
    if session.until <= deps.clock().now().timestamp() {
        return Err(session_expired());
    }
    let mut conn = deps.conn().await?;
    let install = installs::find(&mut conn, install).await?.ok_or_else(session_expired)?;
    Ok(Visitor { install, user_id: session.user, is_admin: session.admin, secret: session.secret })
}

impl Visitor {
    /// CSRF token for this visitor's forms.
    pub(super) fn form_token(&self, deps: &Deps) -> String {
        if self.secret.is_empty() {
            return String::new();
        }
        deps.keyring.blind_index(&self.form_subject()).to_string()
    }

    /// Whether the CSRF token of a form belongs to this visitor.
    pub(super) fn owns_form(&self, deps: &Deps, token: &str) -> bool {
        let hashes = deps.keyring.blind_indexes(&self.form_subject());
        !self.secret.is_empty()
            && hashes.iter().any(|hash| same_secret(hash.to_string().as_bytes(), token.as_bytes()))
    }

    fn form_subject(&self) -> String {
        format!("billing_form\n{}\n{}", self.install.id, self.secret)
    }
}
