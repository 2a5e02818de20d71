//! The second factor of a vendor's user once more, before acts with secrets, addresses and what is sold. Apart from the panel's,
//! because that takes passkeys too and records both.

use chrono::{DateTime, Utc};
use flysk_store::portal::sessions::{self, VendorSession};
use flysk_store::repeat_contended;

use super::lockout::Counters;
use super::own_access::record_of_vendor_user;
use super::second_factor::use_code;
use super::session::fresh_token;
use super::vendor_session::FoundUser;
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

const WRONG_CODE: &str = "Код не подходит или уже использован. Дождитесь следующего кода.";

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
    let counters = Counters::of_vendor_proof(&found.user.email, &request.address);
    counters.admit(deps).await?;
    let (token, token_hash) = fresh_token(deps);
    let Some(now) = renew(deps, request, found, code, &token_hash).await? else {
        tracing::info!(user = %found.user.id, address = %request.address, "wrong code of a vendor's user");
        return Ok(Err(WRONG_CODE));
    };
    counters.was_right(deps).await?;
    counters.complete(deps).await?;
    let session = VendorSession { proved_at: Some(now), seen_at: now, ..found.session.clone() };
    Ok(Ok((session, token)))
}

/// Uses up a code of the authenticator; `None` if it is wrong.
async fn renew(
    deps: &Deps,
    request: &Incoming,
    FoundUser { user, session }: &FoundUser,
    code: &str,
    token_hash: &str,
) -> Result<Option<DateTime<Utc>>, Fault> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let renew = || async {
        let now = deps.clock().now();
        let mut tx = deps.outbox.pool().begin().await?;
        if !use_code(&mut tx, &deps.keyring, user, &code, deps.clock()).await? {
            return Ok(None);
        }
        sessions::step_up(&mut tx, session, token_hash, session.expires_at, now).await?;
        record_of_vendor_user(&mut tx, deps, request, user, "vendor_user.step_up").await?;
        tx.commit().await?;
        Ok::<_, Fault>(Some(now))
    };
    repeat_contended(renew).await
}
