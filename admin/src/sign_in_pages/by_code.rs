//! Password, code of the second factor, its set-up, signing out.

use askama::Template;
use flysk_crypto::Keyring;
use flysk_domain::id::OperatorId;
use flysk_store::admin::operators::{self, Operator};
use flysk_store::admin::sessions;
use flysk_store::repeat_contended;
use poem::Response;
use poem::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

use crate::assets;
use crate::deps::Deps;
use crate::http::respond::{page, redirect};
use crate::http::{Fault, Guest, Newcomer, Support, Visit};
use crate::sign_in::code_proof::{CompleteSignIn, WRONG_CODE, complete_sign_in};
use crate::sign_in::lockout::Counters;
use crate::sign_in::passkey;
use crate::sign_in::password::{self, MAX_PASSWORD_BYTES};
use crate::sign_in::person::{Person, SignsIn};
use crate::sign_in::second_factor::{self, key_uri, qr_path};
use crate::sign_in::session::{self, form_token, safe_target};

/// Path of the form for the second factor.
const CODE_PATH: &str = "/sign-in/code";
const WRONG_PASSWORD: &str = "Логин или пароль не подходит.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    assets: &'static str,
    login: &'a str,
    next: &'a str,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage<'a> {
    assets: &'static str,
    csrf: String,
    name: &'a str,
    next: &'a str,
    error: Option<&'static str>,
    setup: Option<Setup>,
    offers_passkey: bool,
}

/// A second factor that is being set up.
pub(crate) struct Setup {
    /// The secret, for typing it in.
    pub(crate) secret: String,
    /// Path of the QR code's image, and its size in modules.
    pub(crate) qr_path: String,
    pub(crate) qr_size: usize,
}

impl Setup {
    /// That of a person who has not confirmed it yet; `None` if it is confirmed, or there is no secret.
    pub(crate) fn of(keyring: &Keyring, person: &impl Person) -> Result<Option<Self>, Fault> {
        if person.has_second_factor() {
            return Ok(None);
        }
        let Some(secret) = second_factor::open(keyring, person)? else { return Ok(None) };
        let (qr_path, qr_size) = qr_path(&key_uri(person.login(), &secret))?;
        Ok(Some(Self { secret: secret.expose_secret().to_owned(), qr_path, qr_size }))
    }
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage<'a> {
    assets: &'static str,
    codes: &'a [String],
    next: &'a str,
}

/// `GET /sign-in`.
pub(crate) async fn show_form(guest: Guest) -> Result<Response, Fault> {
    let next = safe_target(guest.request.query.get("next"));
    let form = SignInPage { assets: assets::version(), login: "", next, error: None };
    std::future::ready(page(StatusCode::OK, &form)).await
}

/// `POST /sign-in`: checks the password and begins a session that waits for the second factor.
pub(crate) async fn check_password(guest: Guest) -> Result<Response, Fault> {
    let Guest { deps, request } = guest;
    let login = request.form.get("login").unwrap_or_default().to_lowercase();
    let password = SecretString::from(request.form.raw("password").unwrap_or_default());
    let next = safe_target(request.form.get("next"));
    let counters = Counters::of(&login, &request.address);
    counters.admit(&deps).await?;
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    let operator = if login.is_ascii() {
        operators::find_by_login(&mut *deps.write().await?, &login).await?
    } else {
        None
    };
    let operator = operator.filter(|operator| operator.disabled_at.is_none());
    let hash = operator.as_ref().map(|operator| operator.password_hash.clone());
    let known = operator.as_ref().map(|operator| operator.login.clone());
    let fits = password.expose_secret().len() <= MAX_PASSWORD_BYTES;
    let is_right = password::verify(hash.filter(|_| fits), password).await;
    let Some(operator) = operator.filter(|_| is_right) else {
        // An unknown login may be a password that was typed into the wrong field.
        tracing::info!(login = known, address = %request.address, "wrong password of an operator");
        return wrong_password(&login, next);
    };
    counters.was_right(&deps).await?;
    let (token, token_hash) = session::fresh_token(&deps);
    let row = session::begin(&deps, operator.id, &request);
    let proposed = proposed_secret(&deps, &operator)?;
    let begin = || async {
        let (mut tx, now) = (deps.outbox.pool().begin().await?, deps.clock().now());
        // A reset since the password was read would not end this session.
        if !operators::hold_password(&mut tx, operator.id, &operator.password_hash, now).await? {
            return Ok(false);
        }
        if let Some(sealed) = &proposed {
            operators::propose_totp(&mut tx, operator.id, sealed, now).await?;
        }
        sessions::insert(&mut tx, &row, &token_hash).await?;
        tx.commit().await?;
        Ok::<_, Fault>(true)
    };
    if !repeat_contended(begin).await? {
        return wrong_password(&login, next);
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let mut response = redirect(&format!("{CODE_PATH}?{query}"));
    session::remember::<OperatorId>(&deps, &mut response, &token);
    Ok(response)
}

fn wrong_password(login: &str, next: &str) -> Result<Response, Fault> {
    let form = SignInPage { assets: assets::version(), login, next, error: Some(WRONG_PASSWORD) };
    page(StatusCode::UNPROCESSABLE_ENTITY, &form)
}

/// A fresh sealed secret for an operator who has none.
fn proposed_secret(deps: &Deps, operator: &Operator) -> Result<Option<String>, Fault> {
    if operator.totp_sealed.is_some() {
        return Ok(None);
    }
    let secret = second_factor::fresh_secret(deps.clock());
    second_factor::seal(&deps.keyring, operator.id, &secret).map(Some)
}

/// `GET /sign-in/code`: asks for the code, or shows how to set up the second factor.
pub(crate) async fn show_code_form(newcomer: Newcomer) -> Result<Response, Fault> {
    let next = safe_target(newcomer.request.query.get("next"));
    code_page(&newcomer, next, None).await
}

/// The form for the second factor.
pub(super) async fn code_page(
    newcomer: &Newcomer,
    next: &str,
    error: Option<&'static str>,
) -> Result<Response, Fault> {
    let Newcomer { deps, operator, session, .. } = newcomer;
    let setup = Setup::of(&deps.keyring, operator)?;
    let offers_passkey = setup.is_none() && passkey::is_offered(deps, operator.id).await?;
    let form = SecondFactorPage {
        assets: assets::version(),
        csrf: form_token(&deps.keyring, session),
        name: &operator.name,
        next,
        error,
        setup,
        offers_passkey,
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &form)
}

/// `POST /sign-in/code`: uses up a code and completes the sign-in under a new cookie.
pub(crate) async fn check_code(newcomer: Newcomer) -> Result<Response, Fault> {
    let Newcomer { deps, request, operator, session } = &newcomer;
    let next = safe_target(request.form.get("next"));
    let counters = Counters::of(&operator.login, &request.address);
    counters.admit(deps).await?;
    let code = request.form.raw("code").unwrap_or_default();
    let Some(complete) = complete_sign_in(deps, request, operator, session, code).await? else {
        tracing::info!(login = operator.login, address = %request.address, "wrong code of an operator");
        return code_page(&newcomer, next, Some(WRONG_CODE)).await;
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    after_sign_in::<OperatorId>(deps, &complete, next)
}

/// The answer to a complete sign-in, with its cookie: the recovery codes of a new second factor, or the way to `next`.
pub(crate) fn after_sign_in<I: SignsIn>(
    deps: &Deps,
    complete: &CompleteSignIn,
    next: &str,
) -> Result<Response, Fault> {
    let mut response = match &complete.recovery_codes {
        Some(codes) => page(StatusCode::OK, &RecoveryCodesPage { assets: assets::version(), codes, next })?,
        None => redirect(next),
    };
    session::remember::<I>(deps, &mut response, &complete.token);
    Ok(response)
}

/// `POST /sign-out`.
pub(crate) async fn sign_out(visit: Visit<Support>) -> Result<Response, Fault> {
    let end = || async {
        let (mut conn, now) = (visit.deps.write().await?, visit.deps.clock().now());
        Ok::<_, Fault>(sessions::end(&mut conn, visit.who.id, visit.who.session.id, now).await?)
    };
    repeat_contended(end).await?;
    let mut response = redirect("/sign-in");
    session::forget::<OperatorId>(&visit.deps, &mut response);
    Ok(response)
}
