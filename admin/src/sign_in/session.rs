//! Sessions of operators and of vendors' users: a random cookie, whose hash is in MySQL, and the CSRF token bound to it.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::{Keyring, same_secret};
use flysk_domain::admin::SessionStage;
use flysk_domain::id::OperatorId;
use flysk_domain::random_bytes;
use flysk_store::admin::operators::Operator;
use flysk_store::repeat_contended;
use flysk_store::sign_in::sessions::{self, Session, SessionTable};
use poem::Response;
use poem::http::{HeaderValue, Method, header};
use sha2::{Digest as _, Sha256};

use super::person::{Person as _, SignsIn};
use crate::area::Area;
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// Lifetime of a session.
const SESSION_TTL: TimeDelta = TimeDelta::hours(12);
/// A session without requests for this long ends.
const IDLE_TTL: TimeDelta = TimeDelta::hours(1);
/// Time for the second factor.
const SECOND_FACTOR_TTL: TimeDelta = TimeDelta::minutes(10);
/// Precision of the time of the last request, so that not every page writes.
const TOUCH_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// An open session and its operator.
#[derive(Debug, Clone)]
pub(crate) struct FoundOperator {
    /// The operator, who is not disabled.
    pub(crate) operator: Operator,
    pub(crate) session: Session<OperatorId>,
}

fn is_secure<I: SignsIn>(deps: &Deps) -> bool {
    I::url(deps).scheme() == "https"
}

fn cookie_name<I: SignsIn>(deps: &Deps) -> &'static str {
    if is_secure::<I>(deps) { I::TLS_COOKIE } else { I::COOKIE }
}

/// Sets a cookie that only this panel's own pages send; `max_age_s` 0 removes it.
pub(crate) fn set_cookie(deps: &Deps, response: &mut Response, name: &str, value: &str, max_age_s: i64) {
    write_cookie(response, is_secure::<OperatorId>(deps), name, value, max_age_s);
}

/// [`set_cookie`], sent over TLS only if `is_secure`.
pub(crate) fn write_cookie(
    response: &mut Response,
    is_secure: bool,
    name: &str,
    value: &str,
    max_age_s: i64,
) {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Sets the session's cookie.
pub(crate) fn remember<I: SignsIn>(deps: &Deps, response: &mut Response, token: &str) {
    let max_age_s = SESSION_TTL.num_seconds();
    write_cookie(response, is_secure::<I>(deps), cookie_name::<I>(deps), token, max_age_s);
}

/// Whether a response sets the session's cookie.
pub(crate) fn sets_cookie<I: SignsIn>(deps: &Deps, response: &Response) -> bool {
    let begin = format!("{}=", cookie_name::<I>(deps));
    let cookies = response.headers().get_all(header::SET_COOKIE);
    cookies.iter().any(|cookie| cookie.as_bytes().starts_with(begin.as_bytes()))
}

/// Removes the session's cookie.
pub(crate) fn forget<I: SignsIn>(deps: &Deps, response: &mut Response) {
    write_cookie(response, is_secure::<I>(deps), cookie_name::<I>(deps), "", 0);
}

/// A fresh cookie and its hash.
pub(crate) fn fresh_token(deps: &Deps) -> (String, String) {
    let token = hex::encode(random_bytes::<32>(deps.clock()));
    let hash = hash_of(&token);
    (token, hash)
}

/// SHA-256 of a cookie.
fn hash_of(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// A session after the right password.
pub(crate) fn begin<I: SignsIn>(deps: &Deps, owner: I, request: &Incoming) -> Session<I> {
    let now = deps.clock().now();
    Session {
        id: I::new_session_id(deps.clock()),
        owner_id: owner,
        stage: SessionStage::Password,
        address: request.address.clone(),
        user_agent: request.user_agent.clone(),
        proved_at: None,
        seen_at: now,
        expires_at: now + SECOND_FACTOR_TTL,
        created_at: now,
    }
}

/// End of a session that starts now.
pub(crate) fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + SESSION_TTL
}

/// The open session of a request and its person; `None` without one, or if its person was disabled.
///
/// A page goes on with the connection that has found them; an act needs others.
pub(crate) async fn find_open<I>(
    deps: &Deps,
    request: &Incoming,
) -> Result<Option<(I::Person, Session<I>)>, Fault>
where
    I: SignsIn + SessionTable<Owner = <I as SignsIn>::Person>,
{
    let Some(token) = request.cookie(cookie_name::<I>(deps)).filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let now = deps.clock().now();
    let is_page = request.method == Method::GET;
    let mut conn = if is_page { deps.read().await? } else { deps.write().await? };
    let found = sessions::find_open::<I>(&mut conn, &hash_of(token), now - IDLE_TTL, now).await?;
    if is_page {
        deps.lend(conn);
    }
    Ok(found.filter(|(person, _)| person.is_enabled()))
}

/// The open session of a request and its operator.
pub(crate) async fn find(deps: &Deps, request: &Incoming) -> Result<Option<FoundOperator>, Fault> {
    let found = find_open::<OperatorId>(deps, request).await?;
    Ok(found.map(|(operator, session)| FoundOperator { operator, session }))
}

/// Writes the time of the request, to the minute.
pub(crate) async fn touch<I: SignsIn>(deps: &Deps, session: &Session<I>) -> Result<(), Fault> {
    let now = deps.clock().now();
    if now - session.seen_at >= TOUCH_INTERVAL && !deps.config.admin.read_only {
        let touch = || async {
            let mut conn = deps.write().await?;
            Ok::<_, Fault>(sessions::touch(&mut conn, session, now).await?)
        };
        repeat_contended(touch).await?;
    }
    Ok(())
}

/// CSRF token for forms of a session. It changes at the step up.
pub(crate) fn form_token<I: SignsIn>(keyring: &Keyring, session: &Session<I>) -> String {
    keyring.blind_index(&form_subject(session)).to_string()
}

/// Whether a form's CSRF token belongs to the session.
pub(crate) fn owns_form<I: SignsIn>(deps: &Deps, session: &Session<I>, token: Option<&str>) -> bool {
    let Some(token) = token else { return false };
    let expected = deps.keyring.blind_indexes(&form_subject(session));
    expected.iter().any(|hash| same_secret(hash.to_string().as_bytes(), token.as_bytes()))
}

fn form_subject<I: SignsIn>(session: &Session<I>) -> String {
    let proved = session.proved_at.map_or(0, |at| at.timestamp_micros());
    format!("{}\n{}\n{}\n{proved}", I::FORM_SUBJECT, session.id, session.stage)
}

/// Path of an application's sign-in form that returns to `target` afterwards.
pub(crate) fn sign_in_path(area: Area, target: &str) -> String {
    let form = area.sign_in();
    if target == area.home() {
        return form.to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", target).finish();
    format!("{form}?{query}")
}

/// A path of this panel to go to after signing in; anything else becomes the start page.
pub(crate) fn safe_target(target: Option<&str>) -> &str {
    let is_own = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && !path.contains(char::is_control)
    };
    target.filter(is_own).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_this_panel_only() {
        for (target, path) in [
            (Some("/jobs?state=dead"), "/jobs?state=dead"),
            (Some("//elsewhere.example"), "/"),
            (Some("/\\elsewhere.example"), "/"),
            (Some("https://elsewhere.example"), "/"),
            (Some("/a\r\nb"), "/"),
            (None, "/"),
        ] {
            assert_eq!(safe_target(target), path);
        }
        assert_eq!(sign_in_path(Area::Panel, "/jobs?state=dead"), "/sign-in?next=%2Fjobs%3Fstate%3Ddead");
    }
}
