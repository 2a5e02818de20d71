//! The second factor once more, before acts with money, secrets and access.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{PasskeyPurpose, PasskeyRefusal, is_fresh_proof};
use flysk_store::admin::sessions::Session;

use super::code_proof::{self, WRONG_CODE};
use super::lockout::Counters;
use super::passkey::Attempt;
use super::session::{self, FoundOperator};
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::form::{PROOF_FIELD, PROOF_PASSKEY_FIELD};
use crate::request::{Incoming, Pairs};

/// Proof by which an operator renews the second factor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof<'a> {
    /// A code of the authenticator.
    Code(&'a str),
    /// The answer of a passkey, as JSON.
    Passkey(&'a str),
}

impl<'a> Proof<'a> {
    pub(crate) fn in_form(form: &'a Pairs) -> Option<Self> {
        let passkey = form.get(PROOF_PASSKEY_FIELD).map(Self::Passkey);
        passkey.or_else(|| form.get(PROOF_FIELD).map(Self::Code))
    }
}

/// Whether the session's second factor was given a short time ago.
pub(crate) fn is_fresh(deps: &Deps, session: &Session) -> bool {
    is_fresh_proof(session.proved_at, deps.clock().now())
}

/// Uses up a proof and renews the session: a fresh proof under a new cookie, with the same end. The inner error says why the
/// proof is refused. Attempts are counted like those of signing in, but apart from them.
///
/// # Errors
///
/// [`Fault::Locked`] after too many attempts.
pub(crate) async fn prove(
    deps: &Deps,
    request: &Incoming,
    found: &FoundOperator,
    proof: Proof<'_>,
) -> Result<Result<(Session, String), &'static str>, Fault> {
    let FoundOperator { operator, session } = found;
    let counters = Counters::of_proof(&operator.login, &request.address);
    counters.admit(deps).await?;
    let (token, token_hash) = session::fresh_token(deps);
    let renewed = match proof {
        Proof::Code(code) => renew_by_code(deps, request, found, code, &token_hash).await?.ok_or(WRONG_CODE),
        Proof::Passkey(answer) => {
            let purpose = PasskeyPurpose::StepUp;
            let attempt = Attempt { deps, request, operator, session, purpose, answer };
            attempt.renew(&token_hash).await?.map_err(PasskeyRefusal::label)
        }
    };
    let now = match renewed {
        Ok(now) => now,
        Err(text) => return Ok(Err(text)),
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    let session = Session { proved_at: Some(now), seen_at: now, ..session.clone() };
    Ok(Ok((session, token)))
}

/// Renews the session by a code; the time, or `None` if the code is wrong.
async fn renew_by_code(
    deps: &Deps,
    request: &Incoming,
    FoundOperator { operator, session }: &FoundOperator,
    code: &str,
    token_hash: &str,
) -> Result<Option<DateTime<Utc>>, Fault> {
    let renewed = code_proof::renew(deps, request, operator, session, code, token_hash).await?;
    if renewed.is_none() {
        tracing::info!(login = operator.login, address = %request.address, "wrong code of an operator");
    }
    Ok(renewed)
}
