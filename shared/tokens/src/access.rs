//! Gives access tokens to callers, renewing them if needed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_domain::trace::Trace;
use flysk_store::platform::token_audit::TokenAuditEntry;
use flysk_store::platform::tokens::{Pair, PairState};
use flysk_store::platform::{installs, tokens};

use crate::renewal::{AccessToken, Freshness, RenewalRequest};
use crate::{Vault, VaultError};

/// Maximum wait for another caller's renewal.
const RENEWAL_WAIT_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum wait for the rate limit of token requests.
const RATE_LIMIT_WAIT_TIMEOUT: Duration = Duration::from_secs(10);
const RENEWAL_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Requester and purpose of a token, kept in the audit log permanently.
#[derive(Debug, Clone)]
pub struct TokenRequester {
    /// `backend:<widget code>`, `gateway:<widget code>`, or `flysk` for the platform itself.
    pub name: String,
    /// Purpose, such as `user 501`, `background`, `GET /api/v4/leads`, `oauth.confirm_disconnect`.
    pub purpose: String,
}

impl TokenRequester {
    /// The platform itself, for a job of this kind.
    pub fn flysk(kind: &str) -> Self {
        Self { name: "flysk".to_owned(), purpose: kind.to_owned() }
    }
}

impl Vault {
    /// An access token that meets `freshness`, renewed now if the current one does not. The audit entry is written
    /// before the token is returned.
    pub async fn access_token(
        &self,
        install: InstallId,
        freshness: Freshness,
        requester: &TokenRequester,
        trace: &Trace,
    ) -> Result<AccessToken, VaultError> {
        let request = RenewalRequest { install, freshness, disconnected_at: None, trace: trace.clone() };
        let token = self.wait_for_token(&request).await?;
        self.record_access(install, requester, trace).await?;
        Ok(token)
    }

    /// [`Vault::access_token`] for the check of a disconnect hook that arrived at `disconnected_at`: a refusal of the grant
    /// confirms the hook, so the install becomes `uninstalled` at once, not `reconnect` first.
    pub async fn access_token_after_disconnect(
        &self,
        install: InstallId,
        freshness: Freshness,
        disconnected_at: DateTime<Utc>,
        requester: &TokenRequester,
        trace: &Trace,
    ) -> Result<AccessToken, VaultError> {
        let disconnected_at = Some(disconnected_at);
        let request = RenewalRequest { install, freshness, disconnected_at, trace: trace.clone() };
        let token = self.wait_for_token(&request).await?;
        self.record_access(install, requester, trace).await?;
        Ok(token)
    }

    /// The access token of a pair just read, if it meets `freshness`. The audit entry is written before the token is returned.
    pub async fn access_token_from(
        &self,
        pair: &Pair,
        freshness: Freshness,
        requester: &TokenRequester,
        trace: &Trace,
    ) -> Result<Option<AccessToken>, VaultError> {
        if pair.state == PairState::Refused || !freshness.is_met(pair, self.clock().now()) {
            return Ok(None);
        }
        let token = self.open_access(pair)?;
        self.record_access(pair.install_id, requester, trace).await?;
        Ok(Some(token))
    }

    async fn record_access(
        &self,
        install: InstallId,
        requester: &TokenRequester,
        trace: &Trace,
    ) -> Result<(), VaultError> {
        self.audit_log.record(self.audit_entry(install, requester, trace)).await
    }

    pub(crate) fn audit_entry(
        &self,
        install: InstallId,
        requester: &TokenRequester,
        trace: &Trace,
    ) -> TokenAuditEntry {
        TokenAuditEntry {
            install_id: install,
            reader: requester.name.clone(),
            purpose: requester.purpose.clone(),
            correlation_id: trace.correlation_id.clone(),
            read_at: self.clock().now(),
        }
    }

    async fn wait_for_token(&self, request: &RenewalRequest) -> Result<AccessToken, VaultError> {
        let (install, freshness) = (request.install, request.freshness);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(token) = self.current(install, freshness).await? {
                return Ok(token);
            }
            match self.renew_within(request, RATE_LIMIT_WAIT_TIMEOUT).await {
                Ok(renewal) => return Ok(renewal.into_access_token()),
                Err(VaultError::Busy { .. }) if waited < RENEWAL_WAIT_TIMEOUT => {
                    tokio::time::sleep(RENEWAL_POLL_INTERVAL).await;
                    waited += RENEWAL_POLL_INTERVAL;
                }
                // The current token may expire sooner than requested, but is still valid.
                Err(
                    error @ (VaultError::Busy { .. } | VaultError::InDoubt(_) | VaultError::NotNow { .. }),
                ) => {
                    return match freshness {
                        Freshness::ValidFor(_) => self
                            .current(install, Freshness::ValidFor(Duration::from_secs(5)))
                            .await?
                            .ok_or(error),
                        Freshness::IssuedAfter(_) | Freshness::NotGeneration(_) => Err(error),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The stored token if it meets `freshness`. Takes no lock.
    async fn current(&self, id: InstallId, freshness: Freshness) -> Result<Option<AccessToken>, VaultError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let install = installs::find(&mut conn, id).await?.ok_or(VaultError::UnknownInstall)?;
        if !install.status.has_access() {
            return Err(VaultError::NoAccess(install.status));
        }
        let pair = tokens::find(&mut conn, id).await?.ok_or(VaultError::NoAccess(install.status))?;
        let usable = pair.state != PairState::Refused && freshness.is_met(&pair, self.clock().now());
        usable.then(|| self.open_access(&pair)).transpose()
    }
}
