//! The pages as an operator sees them in the name of an account: read-only, for half an hour, in one browser.
//!
//! The operator begins the view in the admin panel, with a reason. One place in front of all pages ([`guard`]) refuses everything
//! but reading, whatever routes there are, and takes forms, scripts and ways to pay out of what is shown. A view ends with its
//! time, by the operator, or with the operator's session.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use flysk_domain::id::{ActAsId, InstallId};
use flysk_domain::platform::subscriptions::MOSCOW_OFFSET;
use flysk_services::act_as::open_act_as_ticket;
use flysk_store::admin::act_as;
use flysk_store::platform::{accounts, installs};
use flysk_store::repeat_contended;
use poem::http::{Method, StatusCode, header};
use poem::web::{Data, Query};
use poem::{Endpoint, IntoResponse as _, Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::{render_page, session_expired, view};
use crate::billing_links::sealing::{open, seal};
use crate::deps::Deps;
use crate::problem::Problem;

const COOKIE_NAME: &str = "flysk_act_as";
const COOKIE_AAD: &str = "act_as_session";

/// Answer to writes and to requests that are no page.
const READ_ONLY: view::Message = view::Message {
    title: "Только чтение",
    text: "Вы смотрите страницу от имени аккаунта из панели оператора. Менять, покупать и платить в этом режиме нельзя.",
};
/// A link that does not open.
const ENDED: view::Message = view::Message {
    title: "Просмотр закончен",
    text: "Время просмотра вышло, его закончили, или закончился ваш сеанс в панели. Начните новый на странице установки.",
};
/// A link that another browser has opened.
const OPENED_ELSEWHERE: view::Message = view::Message {
    title: "Ссылка уже использована",
    text: "Просмотр уже открыт в другом браузере. Начните новый на странице установки в панели.",
};

/// Cookie of a view.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Acting {
    view: ActAsId,
    install: InstallId,
    /// Domain of the account, for the banner.
    whose: String,
    /// End of the view, seconds since 1970.
    until: i64,
    browser: String,
}

#[derive(Deserialize)]
pub(super) struct LinkQuery {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    page: String,
}

fn message(status: StatusCode, text: &view::Message) -> Response {
    render_page(status, text).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// `GET /billing/act-as?ticket=…`: exchanges the link for a cookie and redirects to the page.
#[handler]
pub(super) async fn open_link(
    Data(deps): Data<&Deps>,
    request: &Request,
    Query(query): Query<LinkQuery>,
) -> Response {
    match enter(deps, request, &query).await {
        Ok(response) => response,
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            message(status, &ENDED)
        }
    }
}

async fn enter(deps: &Deps, request: &Request, query: &LinkQuery) -> Result<Response, Problem> {
    let view = open_act_as_ticket(&deps.keyring, &query.ticket).ok_or_else(session_expired)?;
    let mut conn = deps.conn().await?;
    let live = act_as::find_live(&mut conn, view, deps.clock().now()).await?.ok_or_else(session_expired)?;
    let install = installs::find(&mut conn, live.install_id).await?.ok_or_else(session_expired)?;
    let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
    let known = cookie(deps, request).filter(|acting| acting.view == view).map(|acting| acting.browser);
    let random = || format!("{:032x}{:032x}", deps.clock().random_u128(), deps.clock().random_u128());
    let acting = Acting {
        view,
        install: install.id,
        whose: account.map_or_else(|| install.account_id.to_string(), |account| account.host),
        until: live.until_at.timestamp(),
        browser: known.unwrap_or_else(random),
    };
    drop(conn);
    let claim = || async {
        let mut conn = deps.conn().await?;
        Ok::<_, Problem>(act_as::claim(&mut conn, view, &hash(deps, &acting)).await?)
    };
    if !repeat_contended(claim).await? {
        return Ok(message(StatusCode::UNAUTHORIZED, &OPENED_ELSEWHERE));
    }
    let page = if query.page == "subscription" { "subscription" } else { "flycoins" };
    let left_s = (live.until_at - deps.clock().now()).num_seconds().max(1);
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    let sealed = seal(deps, &acting, COOKIE_AAD)?;
    let cookie =
        format!("{COOKIE_NAME}={sealed}; Path=/billing; Max-Age={left_s}; HttpOnly; SameSite=Lax{secure}");
    Ok(Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, format!("/billing/{page}/{}", install.id))
        .header(header::SET_COOKIE, cookie)
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish())
}

/// Hash of the browser's secret, which binds an acting view to the browser.
fn hash(deps: &Deps, acting: &Acting) -> String {
    deps.keyring.blind_index(&format!("act_as_browser\n{}\n{}", acting.view, acting.browser)).to_string()
}

fn cookie(deps: &Deps, request: &Request) -> Option<Acting> {
    let prefix = format!("{COOKIE_NAME}=");
    let cookies = request.header(header::COOKIE)?;
    let sealed = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(&prefix))?;
    open(deps, sealed, COOKIE_AAD)
}

/// The view of this install that the request's cookie names, whether or not it lives.
pub(super) fn of(deps: &Deps, request: &Request, install: InstallId) -> Option<Acting> {
    cookie(deps, request).filter(|acting| acting.install == install)
}

/// Fails unless the view lives and was opened in this browser.
pub(super) async fn must_be_live(deps: &Deps, acting: &Acting) -> Result<(), Problem> {
    let (mut conn, now) = (deps.conn().await?, deps.clock().now());
    // The hash may have been made under a previous key: such a view is at most half an hour old, and is begun again.
    let live = act_as::find_opened(&mut conn, acting.view, &hash(deps, acting), now).await?;
    live.map(|_| ()).ok_or_else(session_expired)
}

/// Stands in front of all pages. Requests without a view of the install in their path pass.
pub(super) async fn guard<E>(next: Arc<E>, request: Request) -> poem::Result<Response>
where
    E: Endpoint<Output = Response> + 'static,
{
    let acting = request.data::<Deps>().and_then(|deps| cookie(deps, &request));
    let path = request.original_uri().path();
    let acting = acting.filter(|acting| {
        let install = acting.install.to_string();
        // An escaped id is decoded behind this place, so a path with an escape counts as one of the install.
        path.contains('%') || path.split('/').any(|segment| segment == install)
    });
    let Some(acting) = acting else { return next.call(request).await };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(message(StatusCode::FORBIDDEN, &READ_ONLY));
    }
    let mut response = next.call(request).await?;
    if !is_page(&response) {
        return Ok(message(StatusCode::FORBIDDEN, &READ_ONLY));
    }
    let banner = if response.status().is_success() { banner(&acting) } else { String::new() };
    let page = response.take_body().into_string().await?;
    response.set_body(read_only(&page, &banner));
    Ok(response)
}

/// Whether a response is HTML; states for scripts and redirects, which may lead to the bank, are not.
fn is_page(response: &Response) -> bool {
    !response.status().is_redirection()
        && response.content_type().is_some_and(|kind| kind.starts_with("text/html"))
}

fn banner(acting: &Acting) -> String {
    let until = DateTime::<Utc>::from_timestamp(acting.until, 0)
        .map(|at| (at + MOSCOW_OFFSET).format("%H:%M").to_string());
    let whose: String =
        acting.whose.chars().filter(|c| c.is_alphanumeric() || matches!(c, '.' | '-')).collect();
    format!(
        "<p class=\"notice\" role=\"status\" id=\"act-as\">Просмотр от имени администратора {whose}: только чтение, до {} МСК.</p>",
        until.unwrap_or_default()
    )
}

/// A page with the banner, without forms (which hold tokens), scripts and ways to pay.
fn read_only(page: &str, banner: &str) -> String {
    let mut page = page.to_owned();
    for (open, close) in [("<form", "</form>"), ("<script", "</script>"), ("<meta http-equiv", ">")] {
        page = without(&page, open, close, |_| true);
    }
    let leads_to_payment = |tag: &str| tag.contains("href=\"http") || tag.contains("class=\"button");
    page = without(&page, "<a ", "</a>", leads_to_payment);
    page.replacen("<main>", &format!("<main>\n{banner}"), 1)
}

/// A page without the elements from `open` to `close` whose first tag is to be removed. What is never closed is left out.
fn without(page: &str, open: &str, close: &str, is_removed: impl Fn(&str) -> bool) -> String {
    let (mut kept, mut rest) = (String::with_capacity(page.len()), page);
    while let Some(at) = rest.find(open) {
        let (before, element) = rest.split_at(at);
        kept.push_str(before);
        let Some(end) = element.find(close) else { return kept };
        let (element, after) = element.split_at(end + close.len());
        if !is_removed(element.split('>').next().unwrap_or_default()) {
            kept.push_str(element);
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_scripts_and_ways_to_pay_are_left_out() {
        let page = "<head><meta http-equiv=\"refresh\" content=\"1\"></head><main><h1>Баланс</h1>\
                    <form method=\"post\"><input name=\"token\" value=\"secret\"></form>\
                    <a class=\"button\" href=\"/billing/x\">Перейти к оплате</a>\
                    <a href=\"https://bank.example/pay\">Форма</a><a href=\"/billing/y\">Счёт</a>\
                    <script>go()</script><address>Продавец</address></main>";
        assert_eq!(
            read_only(page, "<p>Баннер</p>"),
            "<head></head><main>\n<p>Баннер</p><h1>Баланс</h1><a href=\"/billing/y\">Счёт</a>\
             <address>Продавец</address></main>"
        );
        assert_eq!(read_only("<p>а</p><form><input value=\"secret\">", ""), "<p>а</p>");
    }
}
