//! Responses: pages with the headers of every page, redirects, error pages.

use askama::Template;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse as _, Response};

use super::caller::Caller;
use super::refusal::Refusal;
use super::{Fault, Incoming, notice};
use crate::area::Area;
use crate::assets;
use crate::deps::Deps;
use crate::view::{KeptField, Layout};

/// Only our own styles, scripts, requests and frames; no inline script or style. No page but a sample of a letter may be framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; frame-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Context of an error page.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    layout: Layout,
    title: &'a str,
    text: String,
    /// Whether the operator may send the form again from this page.
    again: bool,
    /// Whether the text of the form is shown although it cannot be sent again.
    shows_written: bool,
    /// Page of the form.
    back: Option<String>,
    path: &'a str,
    fields: &'a [KeptField],
}

/// Context of an error page for somebody who is not signed in.
#[derive(Template)]
#[template(path = "bare_error.html")]
struct BareErrorPage<'a> {
    assets: &'static str,
    area: Area,
    title: &'a str,
    text: String,
    /// The form is kept, and the operator signs in in another tab.
    sign_in: bool,
    /// Whether the form may be sent again from this page.
    again: bool,
    /// Whether the text of the form is shown although it cannot be sent again.
    shows_written: bool,
    path: &'a str,
    fields: &'a [KeptField],
}

/// A page with the headers of every page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Fault> {
    Ok(html(status, template.render()?))
}

fn html(status: StatusCode, body: String) -> Response {
    let response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(body);
    with_headers(response)
}

/// JSON with the headers of every page.
pub(crate) fn json(text: String) -> Response {
    with_headers(Response::builder().content_type("application/json").body(text))
}

/// Adds the security headers. No page is cached, so that nothing is readable after signing out.
pub(crate) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        // `no-referrer` would make forms send `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

/// A redirect that is followed with GET.
pub(crate) fn redirect(path: &str) -> Response {
    with_headers(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish())
}

/// A redirect to a page that shows `notice` once.
pub(crate) fn redirect_with_notice(deps: &Deps, path: &str, notice: &str) -> Response {
    let mut response = redirect(path);
    notice::give(deps, &mut response, Area::of(path), notice);
    response
}

/// The error page of a signed-in user. A form that can be sent again is shown with a current token.
pub(super) fn error<'a>(
    deps: &Deps,
    caller: impl Into<Caller<'a>>,
    kept: &Refusal,
    fault: &Fault,
) -> Response {
    log(fault);
    let (title, text) = fault.text(Area::of(kept.path()));
    let text = if kept.had_secret() && matches!(fault, Fault::StaleForm) {
        "Ничего не изменено. Вернитесь и заполните форму заново.".to_owned()
    } else {
        text
    };
    let page = ErrorPage {
        layout: Caller::layout(caller.into(), deps, kept, title),
        title,
        text,
        again: kept.may_be_sent_again(fault),
        shows_written: kept.has_written(),
        back: kept.back(),
        path: kept.path(),
        fields: kept.fields(),
    };
    rendered(fault.status(), &page)
}

/// Notice of the page that asks for the second factor once more.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProofMissing {
    /// Why the given proof was refused.
    pub(super) error: Option<&'static str>,
    /// Whether the operator can use a passkey instead of a code.
    pub(super) offers_passkey: bool,
}

/// Context of the page that asks for the second factor once more.
#[derive(Template)]
#[template(path = "step_up.html")]
struct StepUpPage<'a> {
    layout: Layout,
    /// Path that the code is sent to.
    action: &'a str,
    /// Fields of the form that waits for the code.
    fields: Vec<(String, String)>,
    /// Whether the form is sent together with the code; one with secrets is filled in again instead.
    is_kept: bool,
    error: Option<&'static str>,
    offers_passkey: bool,
    /// Page of the form.
    back: Option<String>,
}

/// Asks for the second factor, and keeps the form that needs it.
pub(super) fn step_up<'a>(
    deps: &Deps,
    caller: impl Into<Caller<'a>>,
    kept: &Refusal,
    request: &Incoming,
    missing: ProofMissing,
) -> Response {
    let ProofMissing { error, offers_passkey } = missing;
    let back = kept.back();
    let title = "Подтвердите, что это вы";
    let layout = Caller::layout(caller.into(), deps, kept, title);
    let (action, fields) = if kept.had_secret() {
        (layout.area.proof(), vec![("next".to_owned(), back.clone().unwrap_or_default())])
    } else {
        (request.path.as_str(), request.form.written())
    };
    let page =
        StepUpPage { layout, action, fields, is_kept: !kept.had_secret(), error, offers_passkey, back };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN };
    rendered(status, &page)
}

/// The error page of somebody who is not signed in.
pub(crate) fn bare_error(area: Area, fault: &Fault) -> Response {
    log(fault);
    let (title, text) = fault.text(area);
    let page = BareErrorPage {
        assets: assets::version(),
        area,
        title,
        text,
        sign_in: false,
        again: false,
        shows_written: false,
        path: "",
        fields: &[],
    };
    rendered(fault.status(), &page)
}

/// The answer to a form of a session that has ended: what was written is kept in the page.
pub(super) fn session_ended(kept: &Refusal) -> Response {
    let fault = Fault::SessionEnded;
    let (title, text) = fault.text(Area::of(kept.path()));
    let text = if kept.had_secret() {
        "Пароли и ключи не сохраняются. Войдите в новой вкладке и заполните форму там заново.".to_owned()
    } else {
        text
    };
    let page = BareErrorPage {
        assets: assets::version(),
        area: Area::of(kept.path()),
        title,
        text,
        sign_in: true,
        again: !kept.had_secret(),
        shows_written: kept.has_written(),
        path: kept.path(),
        fields: kept.fields(),
    };
    rendered(fault.status(), &page)
}

fn log(fault: &Fault) {
    match fault {
        Fault::Internal(error) => tracing::error!(error = %error, "a page failed"),
        Fault::Unavailable(error) => tracing::error!(error = %error, "the database failed a page"),
        Fault::Storage(error) => tracing::error!(error = %error, "object storage failed a page"),
        other => tracing::info!(refused = %other, "a request was refused"),
    }
}

fn rendered(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(body) => html(status, body),
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            with_headers(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}
