//! Stores the outcome of a renewal.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::TokenPair;
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_domain::platform::token::{GrantRefusal, TokenFailure};
use flysk_store::platform::tokens::{self, NewPair, PairState};
use flysk_store::platform::{accounts, installs};
use flysk_store::repeat_contended;

use crate::grant::SealedPair;
use crate::renewal::{AccessToken, RenewalFailure, RenewalLease};
use flysk_services::installs::record_fact_locked;

use crate::{Vault, VaultError, write_retry};

impl Vault {
    /// Stores the new pair. It exists nowhere else until then, so an unavailable database is retried.
    pub(crate) async fn store_renewed(
        &self,
        lease: &RenewalLease,
        pair: TokenPair,
    ) -> Result<AccessToken, VaultError> {
        let sealed = self.seal_pair(lease.install.id, &pair.access_token, &pair.refresh_token)?;
        let issued_at = self.clock().now();
        write_retry::retry_until_written(|| self.write_renewed(lease, &sealed, &pair, issued_at)).await
    }

    async fn write_renewed(
        &self,
        lease: &RenewalLease,
        sealed: &SealedPair,
        pair: &TokenPair,
        issued_at: DateTime<Utc>,
    ) -> Result<AccessToken, VaultError> {
        let id = lease.install.id;
        let mut unit = self.outbox.begin(lease.trace.clone()).await?;
        if let Some(api_host) = self.named_api_host(lease.install.crm, pair)
            && lease.account.api_domain.as_deref() != Some(api_host.as_str())
        {
            let (crm, account) = (lease.install.crm, lease.account.id);
            accounts::write_api_domain(&mut unit, crm, account, api_host.as_str()).await?;
        }
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        let row = NewPair {
            access_sealed: &sealed.access,
            refresh_sealed: &sealed.refresh,
            expires_at: issued_at + pair.expires_in,
            refreshed_at: issued_at,
            granted_by: None,
        };
        if !tokens::put_renewed(&mut unit, id, lease.pair.generation, &row).await? {
            // A new grant came in between; its pair is newer.
            let newer = tokens::find(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
            return self.open_access(&newer);
        }
        if install.status == InstallStatus::Reconnect {
            // Another process considered this renewal dead and was refused, because this renewal had used the refresh
            // token. The new pair restores access.
            let now = self.clock().now();
            record_fact_locked(&mut unit, self.clock(), &install, Fact::Granted, now).await?;
        }
        unit.commit().await?;
        Ok(AccessToken {
            secret: pair.access_token.clone(),
            issued_at: row.refreshed_at,
            expires_at: row.expires_at,
            generation: lease.pair.generation + 1,
        })
    }

    /// Stores a failure in pair and install, and returns the caller's error. If another process has got a newer pair
    /// meanwhile, returns that pair's token.
    pub(crate) async fn record_failure(
        &self,
        lease: &RenewalLease,
        failed: RenewalFailure,
    ) -> Result<AccessToken, VaultError> {
        let (failure, asked, reason) = match failed {
            RenewalFailure::Amocrm { failure, after, reason } => (failure.if_not_renamed(), after, reason),
            RenewalFailure::Internal(error) => {
                // Others keep the pair's turn: a full rate limit, or the database.
                let pause = error.is_lasting().then(|| TokenFailure::OurConfiguration.pause(None));
                self.release_lease(lease, lease.pair.state_if_untouched(), &error.to_string(), pause).await?;
                return Err(error);
            }
        };
        if let TokenFailure::Refused(refusal) = failure {
            return self.record_refusal(lease, refusal, &reason).await;
        }
        let state = match failure {
            TokenFailure::Ambiguous => PairState::InDoubt,
            _ => lease.pair.state_if_untouched(),
        };
        let pause = failure.pause(asked);
        self.release_lease(lease, state, &reason, Some(pause)).await?;
        Err(match failure {
            TokenFailure::Ambiguous => VaultError::InDoubt(reason),
            TokenFailure::OurConfiguration => {
                tracing::error!(alert = "oauth_configuration", install.id = %lease.install.id, reason, "amoCRM rejects the integration's credentials");
                VaultError::OurConfiguration(reason)
            }
            TokenFailure::Blocked => {
                tracing::error!(alert = "amocrm_block", account.id = %lease.account.id, reason, "amoCRM's token endpoint blocks this address");
                self.record_block(&lease.install, pause).await;
                VaultError::NotNow { reason, after: Some(pause) }
            }
            _ => VaultError::NotNow { reason, after: Some(pause) },
        })
    }

    /// Stores a refusal if this renewal still holds the lease. After its expiry another renewal may hold it, whose answer counts.
    async fn record_refusal(
        &self,
        lease: &RenewalLease,
        refusal: GrantRefusal,
        reason: &str,
    ) -> Result<AccessToken, VaultError> {
        let id = lease.install.id;
        if repeat_contended(|| self.write_refused(lease, reason)).await? {
            tracing::warn!(install.id = %id, reason, "amoCRM refused the grant for good");
            return Err(VaultError::Refused(refusal));
        }
        let mut conn = self.outbox.pool().acquire().await?;
        let pair = tokens::find(&mut conn, id).await?.ok_or(VaultError::UnknownInstall)?;
        match pair.state {
            PairState::Refused => Err(VaultError::Refused(refusal)),
            _ if pair.generation != lease.pair.generation => self.open_access(&pair),
            _ => Err(VaultError::Busy { until: pair.lease_until.unwrap_or_else(|| self.clock().now()) }),
        }
    }

    /// Marks the pair as refused and the install as without access, in one transaction. `false` if another renewal
    /// holds the lease now.
    ///
    /// A refusal confirms the disconnect hook that is being checked, unless the grant is newer than the hook. Without a hook
    /// nothing says why amoCRM refuses.
    async fn write_refused(&self, lease: &RenewalLease, reason: &str) -> Result<bool, VaultError> {
        let id = lease.install.id;
        let mut unit = self.outbox.begin(lease.trace.clone()).await?;
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        if !tokens::give_up_lease(&mut unit, id, lease.fence, PairState::Refused, reason, None).await? {
            return Ok(false);
        }
        // The time is taken under the lock, as for a grant: the fact that was stored later counts as later.
        let now = self.clock().now();
        let disconnected = lease.disconnected_at.filter(|at| Some(*at) > install.facts().granted_at);
        let (fact, at) = disconnected.map_or((Fact::Lost, now), |at| (Fact::Disconnected, at));
        record_fact_locked(&mut unit, self.clock(), &install, fact, at).await?;
        unit.commit().await?;
        Ok(true)
    }

    async fn release_lease(
        &self,
        lease: &RenewalLease,
        state: PairState,
        reason: &str,
        pause: Option<Duration>,
    ) -> Result<(), VaultError> {
        let retry_at = pause.map(|pause| self.clock().now() + pause);
        let (id, fence) = (lease.install.id, lease.fence);
        repeat_contended(|| async {
            let mut conn = self.outbox.pool().acquire().await?;
            tokens::give_up_lease(&mut conn, id, fence, state, reason, retry_at).await?;
            Ok(())
        })
        .await
    }
}

trait Untouched {
    fn state_if_untouched(&self) -> PairState;
}

impl Untouched for flysk_store::platform::tokens::Pair {
    /// A renewal that made no request leaves the state unchanged. An unfinished earlier renewal leaves the pair in doubt.
    fn state_if_untouched(&self) -> PairState {
        match self.state {
            PairState::Refreshing => PairState::InDoubt,
            state => state,
        }
    }
}
