//! The second factor of a vendor's user once more, before acts with secrets, addresses and what is sold. Apart from the panel's,
//! because that takes passkeys too and records both.

use flysk_store::portal::sessions::VendorSession;

use super::code_proof::{self, WRONG_CODE};
use super::lockout::Counters;
use super::session::fresh_token;
use super::vendor_session::FoundUser;
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// Uses up a code and renews the session: a fresh proof under a new cookie, with the same end. The inner error says why the code is
/// refused. Attempts are counted like those of signing in, but apart from them.
///
/// # Errors
///
/// [`Fault::Locked`] after too many attempts.
pub(crate) async fn prove(
    deps: &Deps,
    request: &Incoming,
    found: &FoundUser,
    code: &str,
) -> Result<Result<(VendorSession, String), &'static str>, Fault> {
    let FoundUser { user, session } = found;
    let counters = Counters::of_vendor_proof(&user.email, &request.address);
    counters.admit(deps).await?;
    let (token, token_hash) = fresh_token(deps);
    let Some(now) = code_proof::renew(deps, request, user, session, code, &token_hash).await? else {
        tracing::info!(user = %user.id, address = %request.address, "wrong code of a vendor's user");
        return Ok(Err(WRONG_CODE));
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    let session = VendorSession { proved_at: Some(now), seen_at: now, ..session.clone() };
    Ok(Ok((session, token)))
}
