//! Pages of signing in to the portal: password, second factor, its set-up, signing out. Checks and writes are those of
//! [`crate::sign_in`]. The pages are not: forms, counters, passkeys and records differ, and a page for both would be called with more
//! differences than it has lines in common.

use askama::Template;
use flysk_domain::id::VendorUserId;
use flysk_store::portal::sessions;
use flysk_store::portal::users::{self, VendorUser};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use poem::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

use crate::area::Area;
use crate::assets;
use crate::deps::Deps;
use crate::http::respond::{page, redirect};
use crate::http::{Fault, Guest, Incoming, SignedIn, VendorNewcomer, VendorVisit};
use crate::sign_in::code_proof::{WRONG_CODE, complete_sign_in};
use crate::sign_in::lockout::Counters;
use crate::sign_in::password::{self, MAX_PASSWORD_BYTES};
use crate::sign_in::second_factor::{self, fresh_secret};
use crate::sign_in::session::{self, form_token, fresh_token};
use crate::sign_in::vendor_session::safe_target;
use crate::sign_in_pages::{Setup, after_sign_in};

const WRONG_PASSWORD: &str = "Адрес или пароль не подходит.";

#[derive(Template)]
#[template(path = "portal_sign_in.html")]
struct SignInPage<'a> {
    assets: &'static str,
    email: &'a str,
    next: &'a str,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "portal_second_factor.html")]
struct SecondFactorPage<'a> {
    assets: &'static str,
    csrf: String,
    name: &'a str,
    next: &'a str,
    error: Option<&'static str>,
    setup: Option<Setup>,
}

/// `GET /portal/sign-in`.
pub(super) async fn show_form(guest: Guest) -> Result<Response, Fault> {
    let next = safe_target(guest.request.query.get("next"));
    let form = SignInPage { assets: assets::version(), email: "", next, error: None };
    std::future::ready(page(StatusCode::OK, &form)).await
}

/// `POST /portal/sign-in`: checks the password and begins a session that waits for the second factor.
pub(super) async fn check_password(guest: Guest) -> Result<Response, Fault> {
    let Guest { deps, request } = guest;
    let email = request.form.get("email").unwrap_or_default().to_lowercase();
    let password = SecretString::from(request.form.raw("password").unwrap_or_default());
    let next = safe_target(request.form.get("next"));
    let counters = Counters::of_vendor_user(&email, &request.address);
    counters.admit(&deps).await?;
    let user = users::find_by_email(&mut *deps.write().await?, &email).await?;
    let user = user.filter(|user| user.disabled_at.is_none());
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = password.expose_secret().len() <= MAX_PASSWORD_BYTES;
    let is_right = password::verify(hash.filter(|_| fits), password).await;
    let Some(user) = user.filter(|_| is_right) else {
        tracing::info!(address = %request.address, "wrong password of a vendor's user");
        return wrong_password(&email, next);
    };
    counters.was_right(&deps).await?;
    let (token, token_hash) = fresh_token(&deps);
    let begin = || async {
        let (mut tx, now) = (deps.outbox.pool().begin().await?, deps.clock().now());
        // As in the panel: another accepted invitation since the password was read would not end this session.
        if !users::hold_password(&mut tx, user.id, &user.password_hash, now).await? {
            return Ok(false);
        }
        begin_session(&mut tx, &deps, &request, &user, &token_hash).await?;
        tx.commit().await?;
        Ok::<_, Fault>(true)
    };
    if !repeat_contended(begin).await? {
        return wrong_password(&email, next);
    }
    Ok(to_second_factor(&deps, &token, next))
}

fn wrong_password(email: &str, next: &str) -> Result<Response, Fault> {
    let form = SignInPage { assets: assets::version(), email, next, error: Some(WRONG_PASSWORD) };
    page(StatusCode::UNPROCESSABLE_ENTITY, &form)
}

/// Inserts a session that waits for the second factor, with a fresh secret for a user who has none.
pub(super) async fn begin_session(
    conn: &mut Conn,
    deps: &Deps,
    request: &Incoming,
    user: &VendorUser,
    token_hash: &str,
) -> Result<(), Fault> {
    if user.totp_confirmed_at.is_none() && user.totp_sealed.is_none() {
        let sealed = second_factor::seal(&deps.keyring, user.id, &fresh_secret(deps.clock()))?;
        users::propose_totp(conn, user.id, &sealed, deps.clock().now()).await?;
    }
    Ok(sessions::insert(conn, &session::begin(deps, user.id, request), token_hash).await?)
}

/// The redirect to the form for the second factor.
pub(super) fn to_second_factor(deps: &Deps, token: &str, next: &str) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let mut response = redirect(&format!("{}?{query}", Area::Portal.second_factor()));
    session::remember::<VendorUserId>(deps, &mut response, token);
    response
}

/// `GET /portal/sign-in/code`: asks for the code, or shows how to set up the second factor.
pub(super) async fn show_code_form(newcomer: VendorNewcomer) -> Result<Response, Fault> {
    let next = safe_target(newcomer.request.query.get("next"));
    std::future::ready(code_page(&newcomer, next, None)).await
}

/// The form for the second factor.
fn code_page(newcomer: &VendorNewcomer, next: &str, error: Option<&'static str>) -> Result<Response, Fault> {
    let VendorNewcomer { deps, user, session, .. } = newcomer;
    let setup = Setup::of(&deps.keyring, user)?;
    let form = SecondFactorPage {
        assets: assets::version(),
        csrf: form_token(&deps.keyring, session),
        name: &user.name,
        next,
        error,
        setup,
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &form)
}

/// `POST /portal/sign-in/code`: uses up a code and completes the sign-in under a new cookie.
pub(super) async fn check_code(newcomer: VendorNewcomer) -> Result<Response, Fault> {
    let VendorNewcomer { deps, request, user, session } = &newcomer;
    let next = safe_target(request.form.get("next"));
    let counters = Counters::of_vendor_user(&user.email, &request.address);
    counters.admit(deps).await?;
    let code = request.form.raw("code").unwrap_or_default();
    let Some(complete) = complete_sign_in(deps, request, user, session, code).await? else {
        tracing::info!(user = %user.id, address = %request.address, "wrong code of a vendor's user");
        return code_page(&newcomer, next, Some(WRONG_CODE));
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    after_sign_in::<VendorUserId>(deps, &complete, next)
}

/// `POST /portal/sign-out`.
pub(super) async fn sign_out(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let end = || async {
        let (mut conn, now) = (visit.deps.write().await?, visit.deps.clock().now());
        Ok::<_, Fault>(sessions::end(&mut conn, visit.who.id, visit.who.session.id, now).await?)
    };
    repeat_contended(end).await?;
    let mut response = redirect(Area::Portal.sign_in());
    session::forget::<VendorUserId>(&visit.deps, &mut response);
    Ok(response)
}
