//! Codes of the authenticator in a session: they complete a sign-in, and prove the second factor once more. The same for operators
//! and for vendors' users.

use chrono::{DateTime, Utc};
use flysk_store::repeat_contended;
use flysk_store::sign_in::sessions::{self, Session};

use super::person::{Person, SignsIn as _};
use super::second_factor::{confirm, fresh_recovery_codes, use_any_code, use_code};
use super::session::{expiry, fresh_token};
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// Text for a code that is refused.
pub(crate) const WRONG_CODE: &str = "Код не подходит или уже использован. Дождитесь следующего кода.";

/// A complete sign-in.
pub(crate) struct CompleteSignIn {
    /// The session's new cookie.
    pub(crate) token: String,
    /// Recovery codes, if the code has confirmed a second factor that was being set up.
    pub(crate) recovery_codes: Option<Vec<String>>,
}

/// Uses up a code of the authenticator, or a recovery code, and completes the sign-in under a new cookie. `None` if the code is wrong.
pub(crate) async fn complete_sign_in<P: Person>(
    deps: &Deps,
    request: &Incoming,
    person: &P,
    session: &Session<P::Id>,
    code: &str,
) -> Result<Option<CompleteSignIn>, Fault> {
    let code = without_spaces(code);
    let (token, token_hash) = fresh_token(deps);
    let recovery_codes = (!person.has_second_factor()).then(|| fresh_recovery_codes(deps.clock()));
    let sign_in = || async {
        let now = deps.clock().now();
        let mut tx = deps.outbox.pool().begin().await?;
        if !use_any_code(&mut tx, &deps.keyring, person, &code, deps.clock()).await? {
            return Ok(false);
        }
        let action = if let Some(codes) = &recovery_codes {
            confirm(&mut tx, person.id(), codes, now).await?;
            P::Id::ACTIONS.enrol
        } else {
            P::Id::ACTIONS.sign_in
        };
        sessions::step_up(&mut tx, session, &token_hash, expiry(now), now).await?;
        person.record_access(&mut tx, deps, request, action).await?;
        tx.commit().await?;
        Ok::<_, Fault>(true)
    };
    let is_right = repeat_contended(sign_in).await?;
    Ok(is_right.then_some(CompleteSignIn { token, recovery_codes }))
}

/// Uses up a code of the authenticator and renews the session with a cookie of this hash and the same end. Returns the time of the proof;
/// `None` if the code is wrong.
pub(super) async fn renew<P: Person>(
    deps: &Deps,
    request: &Incoming,
    person: &P,
    session: &Session<P::Id>,
    code: &str,
    token_hash: &str,
) -> Result<Option<DateTime<Utc>>, Fault> {
    let code = without_spaces(code);
    let renew = || async {
        let now = deps.clock().now();
        let mut tx = deps.outbox.pool().begin().await?;
        if !use_code(&mut tx, &deps.keyring, person, &code, deps.clock()).await? {
            return Ok(None);
        }
        sessions::step_up(&mut tx, session, token_hash, session.expires_at, now).await?;
        person.record_access(&mut tx, deps, request, P::Id::ACTIONS.step_up).await?;
        tx.commit().await?;
        Ok::<_, Fault>(Some(now))
    };
    repeat_contended(renew).await
}

/// Authenticators show codes in two groups.
fn without_spaces(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}
