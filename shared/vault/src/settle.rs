//! Writing what a renewal came to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::TokenPair;
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_domain::platform::token::{Refusal, TokenFailure};
use flysk_store::platform::tokens::{self, NewPair, PairState};
use flysk_store::platform::{accounts, installs};
use flysk_store::repeat_contended;

use crate::grant::SealedPair;
use crate::renewal::{Failed, Held, Leased};
use crate::{Vault, VaultError, lifecycle, patience};

impl Vault {
    /// Writes the new pair; until then it exists nowhere else, so a database that is away is waited for.
    pub(crate) async fn settle_renewed(&self, leased: &Leased, pair: TokenPair) -> Result<Held, VaultError> {
        let sealed = self.seal_pair(leased.install.id, &pair.access_token, &pair.refresh_token)?;
        let given_at = self.clock().now();
        patience::until_written(|| self.write_renewed(leased, &sealed, &pair, given_at)).await
    }

    async fn write_renewed(
        &self,
        leased: &Leased,
        sealed: &SealedPair,
        pair: &TokenPair,
        given_at: DateTime<Utc>,
    ) -> Result<Held, VaultError> {
        let id = leased.install.id;
        let mut unit = self.outbox.begin(leased.trace.clone()).await?;
        if let Some(api_domain) = &pair.claims.api_domain
            && leased.account.api_domain.as_ref() != Some(api_domain)
        {
            accounts::write_api_domain(&mut unit, leased.install.crm, leased.account.id, api_domain).await?;
        }
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        let row = NewPair {
            access_sealed: &sealed.access,
            refresh_sealed: &sealed.refresh,
            expires_at: given_at + pair.expires_in,
            refreshed_at: given_at,
            granted_by: None,
        };
        if !tokens::put_renewed(&mut unit, id, leased.pair.pair, &row).await? {
            // A new grant came in between; its pair is the newer one.
            let newer = tokens::find(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
            return self.open_access(&newer);
        }
        if install.status == InstallStatus::Reconnect {
            // Somebody who took our silence for death was refused the token we had spent. We were not.
            let now = self.clock().now();
            lifecycle::learn_locked(&mut unit, self.clock(), &install, Fact::Granted, now).await?;
        }
        unit.commit().await?;
        Ok(Held {
            access_token: pair.access_token.clone(),
            given_at: row.refreshed_at,
            expires_at: row.expires_at,
            pair: leased.pair.pair + 1,
        })
    }

    /// Writes what a failure means for pair and install, and says what it means for the caller: who else got a newer
    /// pair meanwhile is given that.
    pub(crate) async fn settle_failed(&self, leased: &Leased, failed: Failed) -> Result<Held, VaultError> {
        let (failure, asked, reason) = match failed {
            Failed::Amo { failure, after, reason } => (failure.if_not_renamed(), after, reason),
            Failed::Ours(error) => {
                self.give_up(leased, leased.pair.state_if_untouched(), &error.to_string(), None).await?;
                return Err(error);
            }
        };
        if let TokenFailure::Refused(refusal) = failure {
            return self.settle_refused(leased, refusal, &reason).await;
        }
        let state = match failure {
            TokenFailure::Ambiguous => PairState::InDoubt,
            _ => leased.pair.state_if_untouched(),
        };
        let pause = failure.pause(asked);
        self.give_up(leased, state, &reason, Some(pause)).await?;
        Err(match failure {
            TokenFailure::Ambiguous => VaultError::InDoubt(reason),
            TokenFailure::OurConfiguration => {
                tracing::error!(alert = "oauth_configuration", install.id = %leased.install.id, reason, "amoCRM does not accept our own credentials");
                VaultError::OurConfiguration(reason)
            }
            TokenFailure::Blocked => {
                tracing::error!(alert = "amocrm_block", account.id = %leased.account.id, reason, "amoCRM shuts our address out of its token endpoint");
                self.note_block(leased.account.id, pause).await;
                VaultError::NotNow { reason, after: Some(pause) }
            }
            _ => VaultError::NotNow { reason, after: Some(pause) },
        })
    }

    /// A refusal counts for whoever holds the pair. Once the lease ran out that may be somebody else, who knows better.
    async fn settle_refused(
        &self,
        leased: &Leased,
        refusal: Refusal,
        reason: &str,
    ) -> Result<Held, VaultError> {
        let id = leased.install.id;
        if repeat_contended(|| self.write_refused(leased, reason)).await? {
            tracing::warn!(install.id = %id, reason, "amoCRM refused the grant for good");
            return Err(VaultError::Refused(refusal));
        }
        let mut conn = self.outbox.pool().acquire().await?;
        let pair = tokens::find(&mut conn, id).await?.ok_or(VaultError::UnknownInstall)?;
        match pair.state {
            PairState::Refused => Err(VaultError::Refused(refusal)),
            _ if pair.pair != leased.pair.pair => self.open_access(&pair),
            _ => Err(VaultError::Busy { until: pair.lease_until.unwrap_or_else(|| self.clock().now()) }),
        }
    }

    /// The pair is dead and the install lost its access, in one transaction; `false` if another renewal holds the
    /// pair by now, whose answer counts.
    async fn write_refused(&self, leased: &Leased, reason: &str) -> Result<bool, VaultError> {
        let id = leased.install.id;
        let mut unit = self.outbox.begin(leased.trace.clone()).await?;
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        if !tokens::give_up_lease(&mut unit, id, leased.fence, PairState::Refused, reason, None).await? {
            return Ok(false);
        }
        // Taken under the lock, as a grant's moment is: of two facts the one that was written later is the later one.
        let now = self.clock().now();
        lifecycle::learn_locked(&mut unit, self.clock(), &install, Fact::Lost, now).await?;
        unit.commit().await?;
        Ok(true)
    }

    async fn give_up(
        &self,
        leased: &Leased,
        state: PairState,
        reason: &str,
        pause: Option<Duration>,
    ) -> Result<(), VaultError> {
        let retry_at = pause.map(|pause| self.clock().now() + pause);
        let (id, fence) = (leased.install.id, leased.fence);
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
    /// A renewal that reached nobody leaves the pair as it found it; one that was left behind unfinished is
    /// in doubt.
    fn state_if_untouched(&self) -> PairState {
        match self.state {
            PairState::Refreshing => PairState::InDoubt,
            state => state,
        }
    }
}
