//! The checks of the gate for the vendors' portal, in the same order as for the panel: session, stage, mode, CSRF token, age of the
//! second factor. The session is looked up among those of vendors' users only, by a cookie of its own.

use flysk_domain::admin::{SessionStage, is_fresh_proof};
use flysk_domain::id::VendorUserId;
use flysk_store::portal::sessions::VendorSession;
use poem::Response;
use poem::http::Method;

use super::refusal::Refusal;
use super::respond::{self, ProofMissing};
use super::route::{Route, VendorMember, VendorNewcomerPage, VendorPage};
use super::{Fault, Incoming, VendorNewcomer};
use crate::area::Area;
use crate::deps::Deps;
use crate::request::form::{CSRF_FIELD, PROOF_FIELD};
use crate::sign_in::vendor_session::{FoundUser, find};
use crate::sign_in::{session, vendor_step_up};

/// Serves a page between password and second factor.
pub(super) async fn serve_newcomer(
    deps: &Deps,
    page: &VendorNewcomerPage,
    request: Incoming,
) -> Result<Response, Fault> {
    match find(deps, &request).await? {
        Some(FoundUser { user, session }) if session.stage == SessionStage::Password => {
            let is_write = request.method != Method::GET;
            if is_write && !session::owns_form(deps, &session, request.form.raw(CSRF_FIELD)) {
                return Err(Fault::StaleForm);
            }
            page(VendorNewcomer { deps: deps.clone(), request, user, session }).await
        }
        Some(_) => Ok(respond::redirect(Area::Portal.home())),
        None => Ok(respond::redirect(Area::Portal.sign_in())),
    }
}

/// Serves a page of the portal. A session whose second factor was renewed gets its new cookie, whatever the page answers.
pub(super) async fn serve(
    deps: &Deps,
    route: &Route,
    page: &VendorPage,
    request: Incoming,
    kept: &Refusal,
) -> Response {
    let is_write = request.method != Method::GET;
    let mut found = match find(deps, &request).await {
        Ok(Some(found)) if found.session.stage == SessionStage::Full => found,
        Ok(Some(_)) if !is_write => return respond::redirect(Area::Portal.second_factor()),
        Ok(_) if !is_write => {
            return respond::redirect(&session::sign_in_path(Area::Portal, &request.target()));
        }
        Ok(_) => return respond::session_ended(kept),
        Err(fault) => return respond::bare_error(Area::Portal, &fault),
    };
    let fresh_cookie = match admit(deps, route, &found, &request).await {
        Ok(Admission::Open) => None,
        Ok(Admission::Proved(session, token)) => {
            found.session = session;
            Some(token)
        }
        Ok(Admission::ProofMissing(error)) => {
            let missing = ProofMissing { error, offers_passkey: false };
            return respond::step_up(deps, &found, kept, &request, missing);
        }
        Err(fault) => return respond::error(deps, &found, kept, &fault),
    };
    let member = VendorMember {
        deps: deps.clone(),
        request,
        user: found.user.clone(),
        session: found.session.clone(),
    };
    let served = page(member).await;
    let mut response = served.unwrap_or_else(|fault| respond::error(deps, &found, kept, &fault));
    if let Some(token) = fresh_cookie {
        session::remember::<VendorUserId>(deps, &mut response, &token);
    }
    response
}

/// Whether a request of a signed-in user reaches its page.
enum Admission {
    /// The request reaches its page.
    Open,
    /// The request reaches its page, and its code has renewed the session: the session and its new cookie.
    Proved(VendorSession, String),
    /// The page needs a fresh second factor; the reason why the given code was refused.
    ProofMissing(Option<&'static str>),
}

/// Checks mode, CSRF token and the age of the second factor.
async fn admit(
    deps: &Deps,
    route: &Route,
    found: &FoundUser,
    request: &Incoming,
) -> Result<Admission, Fault> {
    if request.method != Method::GET {
        if deps.config.admin.read_only && request.path != Area::Portal.sign_out() {
            return Err(Fault::ReadOnly);
        }
        if !session::owns_form(deps, &found.session, request.form.raw(CSRF_FIELD)) {
            return Err(Fault::StaleForm);
        }
    }
    session::touch(deps, &found.session).await?;
    if !route.needs_fresh_proof || is_fresh_proof(found.session.proved_at, deps.clock().now()) {
        return Ok(Admission::Open);
    }
    let Some(code) = request.form.get(PROOF_FIELD) else { return Ok(Admission::ProofMissing(None)) };
    Ok(match vendor_step_up::prove(deps, request, found, code).await? {
        Ok((session, token)) => Admission::Proved(session, token),
        Err(error) => Admission::ProofMissing(Some(error)),
    })
}
