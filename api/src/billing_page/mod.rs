//! The hosted page where an administrator buys Flycoins: server-rendered, in Russian, with nothing from
//! elsewhere on it.
//!
//! A handshake gives a link that is good for an hour. Opening it trades the link for a cookie of this one
//! install and leads on to an address without secrets, so that none stands in the history, in a `Referer`, or
//! in what the bank is told to lead back to. Forms carry a token bound to the cookie.

mod money;
mod pages;
mod session;
mod view;

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse as _, Response, Route, get, post};

use crate::problem::Problem;

pub(crate) use session::link;

/// The page's addresses, under `/billing/flycoins`.
pub(crate) fn routes() -> Route {
    Route::new()
        .at("/", get(session::enter))
        .at("/:install", get(pages::show_shop))
        .at("/:install/purchases", post(pages::place_order))
        .at("/:install/purchases/:purchase", get(pages::show_purchase))
        .at("/:install/purchases/:purchase/state", get(pages::tell_state))
}

/// A page with the headers all of them have.
fn html(status: StatusCode, body: String) -> Response {
    let mut response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(body);
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(policy) = HeaderValue::from_str(view::content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What people see instead of a problem's JSON.
fn trouble(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match view::message(view::Message::of(status)) {
        Ok(body) => html(status, body),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
