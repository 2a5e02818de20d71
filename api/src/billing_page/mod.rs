//! The hosted pages where an account buys Flycoins and a subscription. They are server-rendered, in Russian, and load no
//! external resources.
//!
//! A handshake returns signed links that are valid for an hour ([`crate::billing_links`]). Opening a link sets a cookie for this
//! page and install and redirects to a URL without secrets. So no secret appears in the browser history, in a `Referer`, or in
//! T-Bank's return URL. Forms contain a CSRF token that is bound to the cookie.

mod act_as;
mod flycoins_transfer;
mod link_use;
mod pages;
mod parties;
mod purchase_form;
mod session;
mod subscription;
mod transfer;
mod transfer_rows;
mod view;

use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt as _, IntoResponse as _, Response, Route, RouteMethod, get, post};

use crate::billing_links::HostedPage;
use crate::html_page;
use crate::problem::{Problem, ProblemCode};

pub(crate) use subscription::routes as subscription_routes;

/// Routes of the page of Flycoins, below `/billing/flycoins`.
pub(crate) fn flycoins_routes() -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/", get(session::open_flycoins).head(session::check_link))
        .at("/:install", get(pages::show_shop))
        .at("/:install/purchases", post(pages::place_order))
        .at("/:install/purchases/:purchase", get(pages::show_purchase))
        .at("/:install/purchases/:purchase/state", get(pages::show_state))
        .at("/:install/transfers/new", post(flycoins_transfer::ask))
        .at("/:install/transfers", post(flycoins_transfer::issue))
        .at("/:install/transfers/:transfer", get(flycoins_transfer::show))
        .at("/:install/transfers/:transfer/cancel", post(flycoins_transfer::cancel))
        .at("/:install/transfers/:transfer/cover", post(flycoins_transfer::cover))
        .around(act_as::guard)
}

/// The route of links for operators, `/billing/act-as`.
pub(crate) fn act_as_route() -> RouteMethod {
    get(act_as::open_link).head(session::check_link)
}

/// The route of documents, `/billing/documents`.
pub(crate) fn document_route() -> RouteMethod {
    get(transfer::download)
}

/// A page with the policy of these pages.
fn html(status: StatusCode, body: String) -> Response {
    html_page::response(status, body, view::content_security_policy())
}

fn render_page(status: StatusCode, page: &impl askama::Template) -> Result<Response, Problem> {
    let body = page.render().map_err(|error| {
        tracing::error!(%error, "cannot render a page");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    Ok(html(status, body))
}

/// The user has no session.
fn session_expired() -> Problem {
    Problem::new(ProblemCode::Unauthorized, "open the page from the widget")
}

/// The HTML page for a problem.
fn error_page(page: HostedPage, problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = match page {
        HostedPage::Flycoins => view::Message::of(status),
        HostedPage::Subscription => subscription::message_of(problem),
    };
    render_page(status, &message).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
