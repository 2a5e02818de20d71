//! The second factor once more, before acts with money, secrets and access.

use flysk_domain::admin::is_fresh_proof;
use flysk_store::admin::sessions::{self, Session};
use flysk_store::repeat_contended;

use super::lockout::Counters;
use super::pages::record;
use super::second_factor::use_code;
use super::session::{self, Found};
use crate::deps::Deps;
use crate::http::{Fault, Incoming};

/// Whether the session's second factor was given a short time ago.
pub(crate) fn is_fresh(deps: &Deps, session: &Session) -> bool {
    is_fresh_proof(session.proved_at, deps.clock().now())
}

/// Uses up a code of the authenticator and renews the session: a fresh proof under a new cookie, with the same end. `None` if
/// the code is wrong. Attempts are counted like those of signing in, but apart from them.
///
/// # Errors
///
/// [`Fault::Locked`] after too many attempts.
pub(crate) async fn prove(
    deps: &Deps,
    request: &Incoming,
    found: &Found,
    code: &str,
) -> Result<Option<(Session, String)>, Fault> {
    let Found { operator, session } = found;
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let counters = Counters::of_proof(&operator.login, &request.address);
    counters.admit(deps).await?;
    let (token, token_hash) = session::fresh_token(deps);
    let renew = || async {
        let now = deps.clock().now();
        let mut tx = deps.outbox.pool().begin().await?;
        if !use_code(&mut tx, &deps.keyring, operator, &code, deps.clock()).await? {
            return Ok(None);
        }
        sessions::step_up(&mut tx, session.id, &token_hash, session.expires_at, now).await?;
        record(&mut tx, deps, request, operator, "operator.step_up").await?;
        tx.commit().await?;
        Ok::<_, Fault>(Some(now))
    };
    let Some(now) = repeat_contended(renew).await? else {
        tracing::info!(login = operator.login, address = %request.address, "wrong code of an operator");
        return Ok(None);
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    let session = Session { proved_at: Some(now), seen_at: now, ..session.clone() };
    Ok(Some((session, token)))
}
