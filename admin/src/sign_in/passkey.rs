//! Passkeys as a second factor: challenges bound to a session, their answers, and refusals in the audit log.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{PASSKEY_CHALLENGE_TTL, PasskeyPurpose, PasskeyRefusal};
use flysk_domain::id::{OperatorId, OperatorSessionId};
use flysk_domain::random_bytes;
use flysk_store::admin::operators::Operator;
use flysk_store::admin::sessions::{self, Session};
use flysk_store::admin::{passkey_challenges, passkeys};
use flysk_store::repeat_contended;
use serde_json::{Value, json};

use super::own_access::record;
use super::session;
use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;
use crate::webauthn::{Assertion, Invalid, RelyingParty};

/// Random bytes of a challenge (Web Authentication, level 3, section 13.4.3: at least 16).
const CHALLENGE_BYTES: usize = 32;
const NO_HOST_NAME: &str = "Ключи доступа работают, только если панель открыта по имени, а не по IP-адресу.";
const NO_PASSKEY: &str = "У вас нет ключей доступа.";

/// The panel as a relying party.
///
/// # Errors
///
/// A refusal if the panel's URL has no host name.
pub(crate) fn relying_party(deps: &Deps) -> Result<&RelyingParty, Fault> {
    deps.relying_party.as_ref().ok_or_else(|| Fault::refused(NO_HOST_NAME))
}

/// Whether an operator can use a passkey here.
pub(crate) async fn is_offered(deps: &Deps, operator: OperatorId) -> Result<bool, Fault> {
    if deps.relying_party.is_none() {
        return Ok(false);
    }
    Ok(passkeys::has_any(&mut *deps.write().await?, operator).await?)
}

/// Starts a challenge for one of the operator's passkeys; returns the options that contain it, as JSON.
///
/// # Errors
///
/// A refusal if there is none.
pub(crate) async fn ask(
    deps: &Deps,
    operator: OperatorId,
    session: OperatorSessionId,
    purpose: PasskeyPurpose,
) -> Result<String, Fault> {
    let party = relying_party(deps)?;
    let known = passkeys::list(&mut *deps.write().await?, operator).await?;
    if known.is_empty() {
        return Err(Fault::refused(NO_PASSKEY));
    }
    put(deps, session, purpose, |challenge| party.proof_options(challenge, &known)).await
}

/// Stores a fresh challenge, which replaces an open one; returns the options that contain it, as JSON.
pub(crate) async fn put(
    deps: &Deps,
    session: OperatorSessionId,
    purpose: PasskeyPurpose,
    options: impl FnOnce(&str) -> Value,
) -> Result<String, Fault> {
    let challenge = URL_SAFE_NO_PAD.encode(random_bytes::<CHALLENGE_BYTES>(deps.clock()));
    let options = options(&challenge).to_string();
    let write = || async {
        let expires_at = deps.clock().now() + PASSKEY_CHALLENGE_TTL;
        let mut conn = deps.write().await?;
        Ok::<_, Fault>(passkey_challenges::put(&mut conn, session, purpose, &challenge, expires_at).await?)
    };
    repeat_contended(write).await?;
    Ok(options)
}

/// Uses up the open challenge of a session, whatever its answer is worth.
///
/// # Errors
///
/// [`PasskeyRefusal::NoChallenge`] without one, and after its time.
pub(crate) async fn take(
    deps: &Deps,
    session: OperatorSessionId,
    purpose: PasskeyPurpose,
) -> Result<Result<String, PasskeyRefusal>, Fault> {
    let take = || async {
        let mut tx = deps.outbox.pool().begin().await?;
        let challenge = passkey_challenges::take(&mut tx, session, purpose, deps.clock().now()).await?;
        tx.commit().await?;
        Ok::<_, Fault>(challenge)
    };
    Ok(repeat_contended(take).await?.ok_or(PasskeyRefusal::NoChallenge))
}

/// Refusal of an invalid answer, for the operator and the audit log.
pub(crate) fn refusal_of(invalid: Invalid) -> PasskeyRefusal {
    tracing::info!(%invalid, "the answer of a passkey was refused");
    match invalid {
        Invalid::Unreadable => PasskeyRefusal::Unreadable,
        Invalid::Kind
        | Invalid::Challenge
        | Invalid::Origin
        | Invalid::RelyingParty
        | Invalid::User
        | Invalid::Flags
        | Invalid::PublicKey
        | Invalid::Signature => PasskeyRefusal::Wrong,
    }
}

/// Details of a refused answer for the audit log.
pub(crate) fn refused(purpose: PasskeyPurpose, refusal: PasskeyRefusal) -> Value {
    json!({ "purpose": purpose.as_str(), "cause": refusal.code() })
}

/// An answer of a browser that stands for a code of the second factor.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    /// Stores and keys.
    pub(crate) deps: &'a Deps,
    pub(crate) request: &'a Incoming,
    pub(crate) operator: &'a Operator,
    pub(crate) session: &'a Session,
    /// Purpose of the challenge.
    pub(crate) purpose: PasskeyPurpose,
    /// The answer, as JSON.
    pub(crate) answer: &'a str,
}

impl Attempt<'_> {
    /// Checks the answer and renews the session under a new cookie; returns the time of the proof. A refusal leaves a row in the
    /// audit log.
    pub(crate) async fn renew(
        &self,
        token_hash: &str,
    ) -> Result<Result<DateTime<Utc>, PasskeyRefusal>, Fault> {
        let party = relying_party(self.deps)?;
        let renewed = match take(self.deps, self.session.id, self.purpose).await? {
            Ok(challenge) => repeat_contended(|| self.renew_with(party, &challenge, token_hash)).await?,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = renewed {
            self.record_refusal(refusal).await?;
        }
        Ok(renewed)
    }

    async fn renew_with(
        &self,
        party: &RelyingParty,
        challenge: &str,
        token_hash: &str,
    ) -> Result<Result<DateTime<Utc>, PasskeyRefusal>, Fault> {
        let Self { deps, request, operator, session, .. } = self;
        let Some(answer) = Assertion::read(self.answer) else {
            return Ok(Err(PasskeyRefusal::Unreadable));
        };
        let now = deps.clock().now();
        let mut tx = deps.outbox.pool().begin().await?;
        let stored = passkeys::find(&mut tx, operator.id, &answer.credential_hash()).await?;
        let Some(stored) = stored else { return Ok(Err(PasskeyRefusal::Wrong)) };
        let sign_count = match party.check_proof(&answer, challenge, operator.id, &stored.public_key) {
            Ok(sign_count) => sign_count,
            Err(invalid) => return Ok(Err(refusal_of(invalid))),
        };
        if !passkeys::write_use(&mut tx, stored.id, sign_count, now).await? {
            return Ok(Err(PasskeyRefusal::Copied));
        }
        let (action, expires_at) = match self.purpose {
            PasskeyPurpose::SignIn => ("operator.sign_in", session::expiry(now)),
            PasskeyPurpose::Register | PasskeyPurpose::StepUp => ("operator.step_up", session.expires_at),
        };
        sessions::step_up(&mut tx, session, token_hash, expires_at, now).await?;
        let after = json!({ "passkey": stored.id });
        record(&mut tx, deps, request, operator, action, Some(&after)).await?;
        tx.commit().await?;
        Ok(Ok(now))
    }

    async fn record_refusal(&self, refusal: PasskeyRefusal) -> Result<(), Fault> {
        let Self { deps, request, operator, purpose, .. } = self;
        let (login, cause) = (&operator.login, refusal.code());
        tracing::warn!(login, address = %request.address, cause, "a passkey of an operator was refused");
        let after = refused(*purpose, refusal);
        let write = || async {
            let mut conn = deps.write().await?;
            record(&mut conn, deps, request, operator, "operator.refuse_passkey", Some(&after)).await
        };
        repeat_contended(write).await
    }
}
