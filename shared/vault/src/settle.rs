//! Writing what a renewal came to.

use std::time::Duration;

use flysk_clients::amocrm::TokenPair;
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_domain::platform::token::TokenFailure;
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, NewPair, PairState};

use crate::grant::SealedPair;
use crate::renewal::{Failed, Held, Leased};
use crate::{Vault, VaultError, lifecycle, patience};

/// An unpaid account, or one that is blocked: look again when something may have changed.
const UNPAID_PAUSE: Duration = Duration::from_hours(6);

impl Vault {
    /// Writes the new pair; until then it exists nowhere else, so a database that is away is waited for.
    pub(crate) async fn settle_renewed(&self, leased: &Leased, pair: TokenPair) -> Result<Held, VaultError> {
        let sealed = self.seal_pair(leased.install.id, &pair.access_token, &pair.refresh_token)?;
        let now = self.clock().now();
        patience::until_written(|| self.write_renewed(leased, &sealed, &pair, now)).await
    }

    async fn write_renewed(
        &self,
        leased: &Leased,
        sealed: &SealedPair,
        pair: &TokenPair,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Held, VaultError> {
        let id = leased.install.id;
        let mut unit = self.outbox.begin(leased.trace.clone()).await?;
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        let row = NewPair {
            access_sealed: &sealed.access,
            refresh_sealed: &sealed.refresh,
            expires_at: now + pair.expires_in,
            refreshed_at: now,
            granted_by: None,
        };
        if !tokens::put_renewed(&mut unit, id, leased.pair.pair, &row).await? {
            // A new grant came in between; its pair is the newer one.
            let newer = tokens::find(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
            return self.open_access(&newer);
        }
        if install.status == InstallStatus::Reconnect {
            // Somebody who took our silence for death was refused the token we had spent. We were not.
            lifecycle::learn_locked(&mut unit, self.clock(), &install, Fact::Granted, now).await?;
        }
        unit.commit().await?;
        Ok(Held {
            access_token: pair.access_token.clone(),
            expires_at: row.expires_at,
            pair: leased.pair.pair + 1,
        })
    }

    /// Writes what a failure means for pair and install, and says what it means for the caller.
    pub(crate) async fn settle_failed(
        &self,
        leased: &Leased,
        failed: Failed,
    ) -> Result<VaultError, VaultError> {
        let (failure, reason) = match failed {
            Failed::Amo { failure, reason } => (failure.if_not_renamed(), reason),
            Failed::Ours(error) => {
                let untouched = leased.pair.state_if_untouched();
                self.give_up(leased, untouched, &error.to_string()).await?;
                return Ok(error);
            }
        };
        let state = match failure {
            TokenFailure::Ambiguous => PairState::InDoubt,
            TokenFailure::Refused(_) => PairState::Refused,
            _ => leased.pair.state_if_untouched(),
        };
        let id = leased.install.id;
        if let TokenFailure::Refused(refusal) = failure {
            self.write_refused(leased, &reason).await?;
            tracing::warn!(install.id = %id, reason, "amoCRM refused the grant for good");
            return Ok(VaultError::Refused(refusal));
        }
        self.give_up(leased, state, &reason).await?;
        Ok(match failure {
            TokenFailure::Ambiguous => VaultError::InDoubt(reason),
            TokenFailure::OurConfiguration => {
                tracing::error!(alert = "oauth_configuration", install.id = %id, reason, "amoCRM does not accept our own credentials");
                VaultError::OurConfiguration(reason)
            }
            TokenFailure::Unpaid => VaultError::NotNow { reason, after: Some(UNPAID_PAUSE) },
            _ => VaultError::NotNow { reason, after: None },
        })
    }

    /// The pair is dead and the install lost its access, in one transaction; unless another renewal holds the
    /// pair by now, whose answer counts.
    async fn write_refused(&self, leased: &Leased, reason: &str) -> Result<(), VaultError> {
        let now = self.clock().now();
        let id = leased.install.id;
        let mut unit = self.outbox.begin(leased.trace.clone()).await?;
        let install = installs::lock(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        if tokens::give_up_lease(&mut unit, id, leased.fence, PairState::Refused, reason).await? {
            lifecycle::learn_locked(&mut unit, self.clock(), &install, Fact::Lost, now).await?;
            unit.commit().await?;
        }
        Ok(())
    }

    async fn give_up(&self, leased: &Leased, state: PairState, reason: &str) -> Result<(), VaultError> {
        let mut conn = self.outbox.pool().acquire().await?;
        tokens::give_up_lease(&mut conn, leased.install.id, leased.fence, state, reason).await?;
        Ok(())
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
