//! The one place that decides whether a request reaches its page.

use std::sync::Arc;

use flysk_domain::admin::SessionStage;
use flysk_domain::id::OperatorId;
use flysk_domain::trace::Trace;
use flysk_store::admin::sessions::Session;
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};
use tracing::Instrument as _;

use super::refusal::{PageOf, Refusal};
use super::respond::{self, ProofMissing};
use super::route::{Handler, Member, MemberPage, Route};
use super::{Fault, Guest, Incoming, Newcomer, notice, vendor_gate};
use crate::area::Area;
use crate::deps::Deps;
use crate::request::form::CSRF_FIELD;
use crate::sign_in::session::{self, FoundOperator};
use crate::sign_in::{passkey, step_up};

/// Path of the form for the second factor.
const SECOND_FACTOR_PATH: &str = "/sign-in/code";
/// Path of the form for the password.
const SIGN_IN_PATH: &str = "/sign-in";
/// Forms that stay open in read-only mode.
const SIGN_OUT_PATH: &str = "/sign-out";

/// A route behind the checks.
pub(crate) struct Gated {
    deps: Deps,
    route: Arc<Route>,
    page_of: PageOf,
}

impl Gated {
    /// Puts a route behind the checks. `page_of` finds the page that a refused form leads back to.
    pub(crate) fn new(deps: Deps, route: Route, page_of: PageOf) -> Self {
        Self { deps, route: Arc::new(route), page_of }
    }
}

impl Endpoint for Gated {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let area = Area::of(request.uri().path());
        let incoming = match Incoming::read(request, &self.deps.config.http.proxies).await {
            Ok(incoming) => incoming,
            Err(fault) => return Ok(respond::bare_error(area, &fault)),
        };
        let trace = incoming.trace.clone();
        let span = tracing::info_span!(
            "request",
            http.method = %incoming.method,
            http.path = %incoming.path,
            correlation.id = %trace.correlation_id,
        );
        let (began, had_notice) = (incoming.began, notice::is_given(&incoming));
        let is_page = incoming.method == Method::GET;
        let deps = self.deps.of_request();
        let mut response = answer(&deps, &self.route, incoming, self.page_of).instrument(span.clone()).await;
        finish(&mut response, &trace);
        if had_notice && response.status().is_success() {
            notice::remove(&self.deps, &mut response);
        }
        let status = response.status().as_u16();
        metrics::counter!("flysk_admin_requests_total", "status" => status.to_string()).increment(1);
        metrics::histogram!("flysk_admin_request_seconds").record(began.elapsed());
        if is_page && area == Area::Panel {
            self.deps.page_times.record(began.elapsed());
        }
        span.in_scope(|| {
            tracing::info!(http.status = status, took_ms = began.elapsed().as_millis(), "answered");
        });
        Ok(response)
    }
}

fn finish(response: &mut Response, trace: &Trace) {
    if let Ok(id) = HeaderValue::from_str(&trace.correlation_id) {
        response.headers_mut().insert("x-request-id", id);
    }
}

/// Checks a request in this order: origin, session, stage, mode, CSRF token, role or right, age of the second factor; then
/// serves the page.
async fn answer(deps: &Deps, route: &Route, request: Incoming, page_of: PageOf) -> Response {
    let (is_write, area) = (request.method != Method::GET, Area::of(&request.path));
    if is_write && !request.is_same_origin() {
        return respond::bare_error(area, &Fault::CrossSite);
    }
    let kept = Refusal::keep(&request, page_of);
    let served = match &route.handler {
        Handler::Open(page) => page(Guest { deps: deps.clone(), request }).await,
        Handler::SecondFactor(page) => match session::find(deps, &request).await {
            Ok(Some(FoundOperator { operator, session })) if session.stage == SessionStage::Password => {
                if is_write && !session::owns_form(deps, &session, request.form.raw(CSRF_FIELD)) {
                    return respond::bare_error(area, &Fault::StaleForm);
                }
                page(Newcomer { deps: deps.clone(), request, operator, session }).await
            }
            Ok(Some(_)) => return respond::redirect("/"),
            Ok(None) => return respond::redirect(SIGN_IN_PATH),
            Err(fault) => Err(fault),
        },
        Handler::Member(page) => match session::find(deps, &request).await {
            Ok(Some(found)) if found.session.stage == SessionStage::Full => {
                return serve_member(deps, route, page.as_ref(), found, request, &kept).await;
            }
            Ok(Some(_)) if !is_write => return respond::redirect(SECOND_FACTOR_PATH),
            Ok(_) if !is_write => return respond::redirect(&session::sign_in_path(area, &request.target())),
            Ok(_) => return respond::session_ended(&kept),
            Err(fault) => Err(fault),
        },
        Handler::VendorSecondFactor(page) => vendor_gate::serve_newcomer(deps, page.as_ref(), request).await,
        Handler::Vendor(page) => return vendor_gate::serve(deps, route, page.as_ref(), request, &kept).await,
    };
    served.unwrap_or_else(|fault| respond::bare_error(area, &fault))
}

/// Serves a signed-in operator. A session whose second factor was renewed gets its new cookie, whatever the page answers.
async fn serve_member(
    deps: &Deps,
    route: &Route,
    page: &MemberPage,
    mut found: FoundOperator,
    request: Incoming,
    kept: &Refusal,
) -> Response {
    let fresh_cookie = match admit(deps, route, &found, &request).await {
        Ok(Admission::Open) => None,
        Ok(Admission::Proved(session, token)) => {
            found.session = session;
            Some(token)
        }
        Ok(Admission::ProofMissing(missing)) => {
            return respond::step_up(deps, &found, kept, &request, missing);
        }
        Err(fault) => return respond::error(deps, &found, kept, &fault),
    };
    let member = Member {
        deps: deps.clone(),
        request,
        operator: found.operator.clone(),
        session: found.session.clone(),
    };
    let served = match page(member) {
        Ok(answer) => answer.await,
        Err(missing) => Err(Fault::Forbidden(missing)),
    };
    let mut response = served.unwrap_or_else(|fault| respond::error(deps, &found, kept, &fault));
    // An act that has replaced the cookie once more has the last word.
    if let Some(token) = fresh_cookie
        && !session::sets_cookie::<OperatorId>(deps, &response)
    {
        session::remember::<OperatorId>(deps, &mut response, &token);
    }
    response
}

/// Whether a request of a signed-in operator reaches its page.
enum Admission {
    /// The request reaches its page.
    Open,
    /// The request reaches its page, and its proof has renewed the session: the session and its new cookie.
    Proved(Session, String),
    /// The page needs a fresh second factor.
    ProofMissing(ProofMissing),
}

/// Checks mode, CSRF token, role or right, and the age of the second factor.
async fn admit(
    deps: &Deps,
    route: &Route,
    found: &FoundOperator,
    request: &Incoming,
) -> Result<Admission, Fault> {
    let is_write = request.method != Method::GET;
    if is_write {
        if deps.config.admin.read_only && request.path != SIGN_OUT_PATH {
            return Err(Fault::ReadOnly);
        }
        if !session::owns_form(deps, &found.session, request.form.raw(CSRF_FIELD)) {
            return Err(Fault::StaleForm);
        }
    }
    session::touch(deps, &found.session).await?;
    if let Some(missing) = route.access.missing(&found.operator) {
        return Err(Fault::Forbidden(missing));
    }
    if !route.needs_fresh_proof || step_up::is_fresh(deps, &found.session) {
        return Ok(Admission::Open);
    }
    let error = match step_up::Proof::in_form(&request.form) {
        None => None,
        Some(proof) => match step_up::prove(deps, request, found, proof).await? {
            Ok((session, token)) => return Ok(Admission::Proved(session, token)),
            Err(error) => Some(error),
        },
    };
    let offers_passkey = passkey::is_offered(deps, found.operator.id).await?;
    Ok(Admission::ProofMissing(ProofMissing { error, offers_passkey }))
}

/// The answer to a path that does not exist.
pub(crate) fn not_found(area: Area) -> Response {
    let mut response = respond::bare_error(area, &Fault::NotFound);
    response.set_status(StatusCode::NOT_FOUND);
    response
}
