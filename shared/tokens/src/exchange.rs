//! Exchange of an authorization code for the first pair.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{AccessClaims, TokenError, TokenPair};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::token::{GrantRefusal, TokenFailure};
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use flysk_crypto::aad;

use crate::{Vault, VaultError, write_retry};

/// Retry delay while amoCRM blocks us; short, because codes expire after 20 minutes.
const BLOCK_RETRY_DELAY: Duration = Duration::from_mins(5);

/// A token pair as stored in the row of its code, encrypted.
#[derive(Serialize, Deserialize)]
struct StoredPair {
    access: String,
    refresh: String,
    expires_in_s: u64,
}

impl Vault {
    /// The pair of a code: the stored one, or a new one from amoCRM.
    ///
    /// A code works once. The intent is stored before the request to amoCRM, and the pair is stored before it is
    /// returned, by a task that continues if the caller is dropped. The request counts against the rate limit of all
    /// token requests.
    pub async fn exchange(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        if code.pair_sealed.is_none() {
            self.acquire_token_request(&code.host, Duration::ZERO).await?;
        }
        self.exchange_unvouched(code, widget).await
    }

    /// [`Vault::exchange`] for a caller with a permit from [`Vault::acquire_unvouched_exchange`].
    pub async fn exchange_unvouched(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        if let (Some(sealed), Some(at)) = (&code.pair_sealed, code.pair_at) {
            return self.open_stored_pair(code.id, sealed, at);
        }
        let (vault, code, widget) = (self.clone(), code.clone(), widget.clone());
        let task = async move { vault.run_exchange(&code, &widget).await }.in_current_span();
        self.renewals.spawn(task).await.map_err(|_| VaultError::CutOff)?
    }

    async fn run_exchange(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        let host = self.host(widget.crm, &code.host)?;
        let credentials = self.credentials(widget)?;
        let secret = self.keyring.open(&code.code_sealed, &aad::code(code.id))?;
        let now = self.clock().now();
        let note = || async {
            let mut conn = self.outbox.pool().acquire().await?;
            Ok::<_, VaultError>(oauth_codes::note_intent(&mut conn, code.id, now).await?)
        };
        repeat_contended(note).await?;
        let pair = match self.amocrm.exchange_code(&host, &credentials, &secret).await {
            Ok(pair) => pair,
            Err(error) => return Err(classify_failure(&error, code)),
        };
        let (sealed, at) = (self.seal_stored_pair(code.id, &pair)?, self.clock().now());
        write_retry::retry_until_written(|| async {
            let mut conn = self.outbox.pool().acquire().await?;
            Ok(oauth_codes::keep_pair(&mut conn, code.id, &sealed, at).await?)
        })
        .await?;
        Ok(pair)
    }

    fn seal_stored_pair(&self, id: OauthCodeId, pair: &TokenPair) -> Result<String, VaultError> {
        let stored = StoredPair {
            access: pair.access_token.expose_secret().to_owned(),
            refresh: pair.refresh_token.expose_secret().to_owned(),
            expires_in_s: pair.expires_in.as_secs(),
        };
        let text =
            SecretString::from(serde_json::to_string(&stored).map_err(|error| invalid_stored_pair(&error))?);
        Ok(self.keyring.seal(&text, &aad::pair_of_code(id))?)
    }

    fn open_stored_pair(
        &self,
        id: OauthCodeId,
        sealed: &str,
        at: DateTime<Utc>,
    ) -> Result<TokenPair, VaultError> {
        let text = self.keyring.open(sealed, &aad::pair_of_code(id))?;
        let stored: StoredPair =
            serde_json::from_str(text.expose_secret()).map_err(|error| invalid_stored_pair(&error))?;
        let age = (self.clock().now() - at).to_std().unwrap_or_default();
        Ok(TokenPair {
            claims: AccessClaims::read(&stored.access),
            access_token: stored.access.into(),
            refresh_token: stored.refresh.into(),
            expires_in: Duration::from_secs(stored.expires_in_s).saturating_sub(age),
        })
    }
}

/// The reason does not quote the text, which is secret.
fn invalid_stored_pair(error: &serde_json::Error) -> VaultError {
    let reason = format!("not a pair ({:?})", error.classify());
    flysk_store::StoreError::InvalidRow { what: "pair of a code", reason }.into()
}

fn classify_failure(error: &TokenError, code: &Code) -> VaultError {
    let reason = error.to_string();
    if error.never_connected() {
        return VaultError::Unreachable(reason);
    }
    if !error.is_of_token_endpoint() {
        return VaultError::NotAmocrm(reason);
    }
    match error.failure().if_not_renamed() {
        TokenFailure::Refused(GrantRefusal::CodeUsed) if code.intent_at.is_some() => {
            tracing::warn!(code.id = %code.id, "the code was used by an earlier request whose answer was lost");
            VaultError::Refused(GrantRefusal::CodeUsed)
        }
        TokenFailure::Refused(refusal) => VaultError::Refused(refusal),
        TokenFailure::Ambiguous => VaultError::InDoubt(reason),
        TokenFailure::OurConfiguration => {
            tracing::error!(alert = "oauth_configuration", code.id = %code.id, reason, "amoCRM rejects the integration's credentials");
            VaultError::OurConfiguration(reason)
        }
        TokenFailure::Blocked => {
            tracing::error!(alert = "amocrm_block", code.id = %code.id, host = %code.host, reason, "amoCRM's token endpoint blocks this address");
            VaultError::NotNow { reason, after: Some(BLOCK_RETRY_DELAY) }
        }
        TokenFailure::NoAccount | TokenFailure::MaybeRenamed { .. } => VaultError::UnknownHost(reason),
        TokenFailure::BackOff | TokenFailure::Unpaid => VaultError::NotNow { reason, after: error.after() },
    }
}
