//! Sessions of vendors' users: a cookie of its own, whose hash is in a table of its own, and the CSRF token bound to it.

use flysk_crypto::{Keyring, same_secret};
use flysk_domain::admin::SessionStage;
use flysk_domain::id::{VendorSessionId, VendorUserId};
use flysk_store::portal::sessions::{self, VendorSession};
use flysk_store::portal::users::{self, VendorUser};
use flysk_store::repeat_contended;
use poem::Response;

use crate::deps::Deps;
use crate::http::area::Area;
use crate::http::{Fault, Incoming};
use crate::sign_in::session::{
    IDLE_TTL, SECOND_FACTOR_TTL, SESSION_TTL, TOUCH_INTERVAL, hash_of, write_cookie,
};

/// An open session and its user.
#[derive(Debug, Clone)]
pub(crate) struct FoundUser {
    /// The user, who is not disabled.
    pub(crate) user: VendorUser,
    /// The session.
    pub(crate) session: VendorSession,
}

fn is_secure(deps: &Deps) -> bool {
    deps.config.portal.url.scheme() == "https"
}

/// Name of the cookie. The prefix makes browsers refuse it without TLS or from another host.
fn cookie_name(deps: &Deps) -> &'static str {
    if is_secure(deps) { "__Host-flysk_portal" } else { "flysk_portal" }
}

/// Sets the session's cookie.
pub(crate) fn remember(deps: &Deps, response: &mut Response, token: &str) {
    write_cookie(response, is_secure(deps), cookie_name(deps), token, SESSION_TTL.num_seconds());
}

/// Removes the session's cookie.
pub(super) fn forget(deps: &Deps, response: &mut Response) {
    write_cookie(response, is_secure(deps), cookie_name(deps), "", 0);
}

/// A session after the right password.
pub(super) fn begin(deps: &Deps, user: VendorUserId, request: &Incoming) -> VendorSession {
    let now = deps.clock().now();
    VendorSession {
        id: VendorSessionId::generate(deps.clock()),
        user_id: user,
        stage: SessionStage::Password,
        address: request.address.clone(),
        user_agent: request.user_agent.clone(),
        proved_at: None,
        seen_at: now,
        expires_at: now + SECOND_FACTOR_TTL,
        created_at: now,
    }
}

/// The open session of a request; `None` without one, or if its user was disabled.
pub(crate) async fn find(deps: &Deps, request: &Incoming) -> Result<Option<FoundUser>, Fault> {
    let Some(token) = request.cookie(cookie_name(deps)).filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let now = deps.clock().now();
    let mut conn = deps.write().await?;
    let session = sessions::find_open(&mut conn, &hash_of(token), now - IDLE_TTL, now).await?;
    let Some(session) = session else { return Ok(None) };
    let user = users::find(&mut conn, session.user_id).await?;
    Ok(user.filter(|user| user.disabled_at.is_none()).map(|user| FoundUser { user, session }))
}

/// Writes the time of the request, to the minute.
pub(crate) async fn touch(deps: &Deps, session: &VendorSession) -> Result<(), Fault> {
    let now = deps.clock().now();
    if now - session.seen_at >= TOUCH_INTERVAL && !deps.config.admin.read_only {
        let touch = || async {
            let mut conn = deps.write().await?;
            Ok::<_, Fault>(sessions::touch(&mut conn, session.id, now).await?)
        };
        repeat_contended(touch).await?;
    }
    Ok(())
}

/// CSRF token for forms of a session. It changes at the step up.
pub(crate) fn form_token(keyring: &Keyring, session: &VendorSession) -> String {
    keyring.blind_index(&form_subject(session)).to_string()
}

/// Whether a form's CSRF token belongs to the session.
pub(crate) fn owns_form(deps: &Deps, session: &VendorSession, token: Option<&str>) -> bool {
    let Some(token) = token else { return false };
    let expected = deps.keyring.blind_indexes(&form_subject(session));
    expected.iter().any(|hash| same_secret(hash.to_string().as_bytes(), token.as_bytes()))
}

fn form_subject(session: &VendorSession) -> String {
    let proved = session.proved_at.map_or(0, |at| at.timestamp_micros());
    format!("portal_form\n{}\n{}\n{proved}", session.id, session.stage)
}

/// Path of the sign-in form that returns to `target` afterwards.
pub(crate) fn sign_in_path(target: &str) -> String {
    let form = Area::Portal.sign_in();
    if target == Area::Portal.home() {
        return form.to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", target).finish();
    format!("{form}?{query}")
}

/// A path of the portal to go to after signing in; anything else becomes its start page.
pub(super) fn safe_target(target: Option<&str>) -> &str {
    let is_own = |path: &&str| {
        let path_only = path.split('?').next().unwrap_or_default();
        Area::of(path_only) == Area::Portal && !path.contains('\\') && !path.contains(char::is_control)
    };
    target.filter(is_own).unwrap_or(Area::Portal.home())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_the_portal_only() {
        for (target, path) in [
            (Some("/portal/deliveries?widget=wgt_1"), "/portal/deliveries?widget=wgt_1"),
            (Some("/portal?x=1"), "/portal?x=1"),
            (Some("/operators"), "/portal"),
            (Some("//elsewhere.example/portal"), "/portal"),
            (Some("/portal/\\elsewhere"), "/portal"),
            (Some("/portal/a\r\nb"), "/portal"),
            (None, "/portal"),
        ] {
            assert_eq!(safe_target(target), path);
        }
        assert_eq!(sign_in_path("/portal"), "/portal/sign-in");
        assert_eq!(sign_in_path("/portal/me?a=b"), "/portal/sign-in?next=%2Fportal%2Fme%3Fa%3Db");
    }
}
