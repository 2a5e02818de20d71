//! Exchanging an authorization code for the first pair.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{AccessClaims, TokenError, TokenPair};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::token::{Refusal, TokenFailure};
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::widgets::Widget;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::{Vault, VaultError, patience, places};

/// When to try a code again while we are shut out: it lives too short for more.
const BLOCKED: Duration = Duration::from_mins(5);

/// A pair as the row of its code keeps it.
#[derive(Serialize, Deserialize)]
struct KeptPair {
    access: String,
    refresh: String,
    lives_s: u64,
}

impl Vault {
    /// The pair of a code: the one that is kept, or what amoCRM gives for the code now.
    ///
    /// A code works once. The intent is durable before amoCRM is asked, and the pair is kept before it is
    /// given to the caller, by a task that ends even if the caller goes away. The request keeps the pace of all token
    /// requests.
    pub async fn exchange(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        if code.pair_sealed.is_none() {
            self.token_place(&code.host, Duration::ZERO).await?;
        }
        self.exchange_unvouched(code, widget).await
    }

    /// [`Vault::exchange`] for a caller that has a place of [`Vault::unvouched_place`].
    pub async fn exchange_unvouched(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        if let (Some(sealed), Some(at)) = (&code.pair_sealed, code.pair_at) {
            return self.open_kept(code.id, sealed, at);
        }
        let (vault, code, widget) = (self.clone(), code.clone(), widget.clone());
        let task = async move { vault.exchange_here(&code, &widget).await }.in_current_span();
        self.renewals.spawn(task).await.map_err(|_| VaultError::CutOff)?
    }

    async fn exchange_here(&self, code: &Code, widget: &Widget) -> Result<TokenPair, VaultError> {
        let host = self.host(widget.crm, &code.host)?;
        let credentials = self.credentials(widget)?;
        let secret = self.keyring.open(&code.code_sealed, &places::code(code.id))?;
        let now = self.clock().now();
        oauth_codes::note_intent(&mut *self.outbox.pool().acquire().await?, code.id, now).await?;
        let pair = match self.amocrm.exchange_code(&host, &credentials, &secret).await {
            Ok(pair) => pair,
            Err(error) => return Err(meaning(&error, code)),
        };
        let (sealed, at) = (self.seal_kept(code.id, &pair)?, self.clock().now());
        patience::until_written(|| async {
            let mut conn = self.outbox.pool().acquire().await?;
            Ok(oauth_codes::keep_pair(&mut conn, code.id, &sealed, at).await?)
        })
        .await?;
        Ok(pair)
    }

    fn seal_kept(&self, id: OauthCodeId, pair: &TokenPair) -> Result<String, VaultError> {
        let kept = KeptPair {
            access: pair.access_token.expose_secret().to_owned(),
            refresh: pair.refresh_token.expose_secret().to_owned(),
            lives_s: pair.expires_in.as_secs(),
        };
        let text = SecretString::from(serde_json::to_string(&kept).map_err(|error| unreadable(&error))?);
        Ok(self.keyring.seal(&text, &places::pair_of_code(id))?)
    }

    fn open_kept(&self, id: OauthCodeId, sealed: &str, at: DateTime<Utc>) -> Result<TokenPair, VaultError> {
        let text = self.keyring.open(sealed, &places::pair_of_code(id))?;
        let kept: KeptPair =
            serde_json::from_str(text.expose_secret()).map_err(|error| unreadable(&error))?;
        let age = (self.clock().now() - at).to_std().unwrap_or_default();
        Ok(TokenPair {
            claims: AccessClaims::read(&kept.access),
            access_token: kept.access.into(),
            refresh_token: kept.refresh.into(),
            expires_in: Duration::from_secs(kept.lives_s).saturating_sub(age),
        })
    }
}

/// The reason says nothing of the text: it is a secret.
fn unreadable(error: &serde_json::Error) -> VaultError {
    let reason = format!("not a pair ({:?})", error.classify());
    flysk_store::StoreError::Corrupt { what: "pair of a code", reason }.into()
}

fn meaning(error: &TokenError, code: &Code) -> VaultError {
    let reason = error.to_string();
    if error.never_connected() {
        return VaultError::Unreachable(reason);
    }
    if !error.is_of_token_endpoint() {
        return VaultError::NotAmocrm(reason);
    }
    match error.failure().if_not_renamed() {
        TokenFailure::Refused(Refusal::CodeUsed) if code.intent_at.is_some() => {
            tracing::warn!(code.id = %code.id, "the code was used by a request of ours whose answer was lost");
            VaultError::Refused(Refusal::CodeUsed)
        }
        TokenFailure::Refused(refusal) => VaultError::Refused(refusal),
        TokenFailure::Ambiguous => VaultError::InDoubt(reason),
        TokenFailure::OurConfiguration => {
            tracing::error!(alert = "oauth_configuration", code.id = %code.id, reason, "amoCRM does not accept our own credentials");
            VaultError::OurConfiguration(reason)
        }
        TokenFailure::Blocked => {
            tracing::error!(alert = "amocrm_block", code.id = %code.id, host = %code.host, reason, "amoCRM shuts our address out of its token endpoint");
            VaultError::NotNow { reason, after: Some(BLOCKED) }
        }
        TokenFailure::NoAccount | TokenFailure::MaybeRenamed { .. } => VaultError::UnknownHost(reason),
        TokenFailure::BackOff | TokenFailure::Unpaid => VaultError::NotNow { reason, after: error.after() },
    }
}
