//! The credentials that an event carries: the project token that the backend has, and all valid event secrets.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_crypto::aad;
use flysk_queue::JobError;
use flysk_store::Pool;
use flysk_store::platform::event_backends::EventBackend;
use flysk_store::platform::former_credentials::{self, FormerToken};
use flysk_tokens::Vault;
use secrecy::SecretString;

#[derive(Debug)]
pub(super) struct EventCredentials {
    /// The `X-Project-Token`; `None` for a widget whose events carry signatures only.
    pub(super) project_token: Option<SecretString>,
    /// The valid event secrets, the current one first.
    pub(super) event_secrets: Vec<SecretString>,
}

impl EventCredentials {
    /// Decrypts the credentials of `backend` that are valid at `now`. Reads them only while former ones are valid.
    pub(super) async fn load(
        pool: &Pool,
        vault: &Vault,
        backend: &EventBackend,
        now: DateTime<Utc>,
    ) -> Result<Self, JobError> {
        let open = |sealed: &str, aad: &str, what| {
            vault.keyring().open(sealed, aad).map_err(|error| secret_unusable(what, &error))
        };
        let mut sealed: Vec<String> = backend.event_secret_sealed.iter().cloned().collect();
        if backend.former_secrets_until.is_some_and(|until| until > now) {
            let mut conn = pool.acquire().await?;
            let former = former_credentials::list_secrets(&mut conn, backend.id, now).await?;
            sealed.extend(former.into_iter().map(|secret| secret.secret_sealed));
        }
        let aad = aad::event_secret(backend.id);
        let event_secrets =
            sealed.iter().map(|text| open(text, &aad, "event secret")).collect::<Result<_, _>>()?;
        let project_token = if backend.events_carry_token {
            let sealed = project_token(pool, backend, now).await?;
            Some(open(&sealed, &aad::project_token(backend.id), "project token")?)
        } else {
            None
        };
        Ok(Self { project_token, event_secrets })
    }
}

/// The sealed token that the backend has: the current one once the backend has authenticated with it, otherwise a former
/// one while any is valid.
async fn project_token(pool: &Pool, backend: &EventBackend, now: DateTime<Utc>) -> Result<String, JobError> {
    let former = if backend.project_token_used_at.is_none()
        && backend.former_tokens_until.is_some_and(|until| until > now)
    {
        former_credentials::list_tokens(&mut *pool.acquire().await?, backend.id, now).await?
    } else {
        Vec::new()
    };
    Ok(known_token(&former).unwrap_or(&backend.project_token_sealed).to_owned())
}

/// Of the valid former tokens, the newest first: the newest that the backend has used, or the oldest if it used none. A
/// token that only exists as a hash cannot be sent.
fn known_token(former: &[FormerToken]) -> Option<&str> {
    let sent: Vec<&FormerToken> = former.iter().filter(|token| token.token_sealed.is_some()).collect();
    let used = sent.iter().find(|token| token.used_at.is_some());
    used.or(sent.last()).and_then(|token| token.token_sealed.as_deref())
}

/// The event waits, because another release or key ring may fix this, and the vendor cannot.
pub(super) fn secret_unusable(what: &str, error: &impl std::fmt::Display) -> JobError {
    tracing::error!(alert = "widget_secret", error = %error, "the {what} cannot be used");
    JobError::Wait { after: Duration::from_mins(5), reason: format!("the {what} cannot be used: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sealed: Option<&str>, used: bool) -> FormerToken {
        FormerToken {
            token_hash: "hash".to_owned(),
            token_sealed: sealed.map(str::to_owned),
            valid_until: DateTime::UNIX_EPOCH,
            used_at: used.then_some(DateTime::UNIX_EPOCH),
        }
    }

    #[test]
    fn events_carry_the_newest_token_that_the_backend_has_used() {
        assert_eq!(known_token(&[]), None);
        let (newest, middle, oldest) =
            (token(Some("newest"), false), token(Some("middle"), true), token(Some("oldest"), true));
        assert_eq!(known_token(&[newest.clone(), middle, oldest]), Some("middle"));
        assert_eq!(known_token(&[newest.clone(), token(Some("oldest"), false)]), Some("oldest"));
        assert_eq!(known_token(&[newest, token(None, true)]), Some("newest"), "a hash cannot be sent");
    }
}
