//! Signing in with a passkey instead of a code. The form is shown by a script, because only a script can ask for a passkey.

use flysk_domain::admin::PasskeyPurpose;
use flysk_domain::id::OperatorId;
use poem::Response;

use super::by_code::code_page;
use crate::http::respond::{self, redirect};
use crate::http::{Fault, Newcomer};
use crate::request::form::PASSKEY_FIELD;
use crate::sign_in::lockout::Counters;
use crate::sign_in::passkey::{self, Attempt};
use crate::sign_in::session::{self, safe_target};

const NOT_SET_UP: &str = "Сначала подключите второй фактор: введите код из приложения.";

/// `POST /sign-in/passkey/challenge`: what the browser is asked.
pub(crate) async fn challenge(newcomer: Newcomer) -> Result<Response, Fault> {
    let Newcomer { deps, operator, session, .. } = &newcomer;
    if operator.totp_confirmed_at.is_none() {
        return Err(Fault::refused(NOT_SET_UP));
    }
    Ok(respond::json(passkey::ask(deps, operator.id, session.id, PasskeyPurpose::SignIn).await?))
}

/// `POST /sign-in/passkey`: completes the sign-in under a new cookie.
pub(crate) async fn check(newcomer: Newcomer) -> Result<Response, Fault> {
    let Newcomer { deps, request, operator, session } = &newcomer;
    if operator.totp_confirmed_at.is_none() {
        return Err(Fault::refused(NOT_SET_UP));
    }
    let next = safe_target(request.form.get("next"));
    let answer = request.form.get(PASSKEY_FIELD).unwrap_or_default();
    let counters = Counters::of(&operator.login, &request.address);
    counters.admit(deps).await?;
    let (token, token_hash) = session::fresh_token(deps);
    let purpose = PasskeyPurpose::SignIn;
    let attempt = Attempt { deps, request, operator, session, purpose, answer };
    if let Err(refusal) = attempt.renew(&token_hash).await? {
        return code_page(&newcomer, next, Some(refusal.label())).await;
    }
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    let mut response = redirect(next);
    session::remember::<OperatorId>(deps, &mut response, &token);
    Ok(response)
}
