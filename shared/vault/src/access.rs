//! Giving an access token to who may have it.

use std::time::Duration;

use flysk_domain::id::InstallId;
use flysk_domain::trace::Trace;
use flysk_store::platform::token_reads::TokenRead;
use flysk_store::platform::tokens::{Pair, PairState};
use flysk_store::platform::{installs, tokens};

use crate::renewal::{Held, Need};
use crate::{Vault, VaultError};

/// How long one who needs a token waits for somebody else's renewal.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one waits for a place among all token requests.
const PATIENCE_IN_LINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Who is given a token, and for what: kept for ever.
#[derive(Debug, Clone)]
pub struct Reader {
    /// `backend:<widget code>`, `gateway:<widget code>`, or ourselves: `flysk`.
    pub who: String,
    /// `user 501`, `background`, `GET /api/v4/leads`, `oauth.confirm_disconnect`.
    pub purpose: String,
}

impl Reader {
    /// Ourselves, for a job of this kind.
    pub fn flysk(kind: &str) -> Self {
        Self { who: "flysk".to_owned(), purpose: kind.to_owned() }
    }
}

impl Vault {
    /// A token that meets `need`, renewed on the spot if the present one does not; the disclosure is
    /// written before the token is given.
    pub async fn access(
        &self,
        install: InstallId,
        need: Need,
        reader: &Reader,
        trace: &Trace,
    ) -> Result<Held, VaultError> {
        let held = self.hold(install, need, trace).await?;
        self.disclose(install, reader, trace).await?;
        Ok(held)
    }

    /// The token of a pair that was read a moment ago, if it meets `need`; the disclosure is written before it is given.
    pub async fn access_of(
        &self,
        pair: &Pair,
        need: Need,
        reader: &Reader,
        trace: &Trace,
    ) -> Result<Option<Held>, VaultError> {
        if pair.state == PairState::Refused || !need.is_met(pair, self.clock().now()) {
            return Ok(None);
        }
        let held = self.open_access(pair)?;
        self.disclose(pair.install_id, reader, trace).await?;
        Ok(Some(held))
    }

    async fn disclose(&self, install: InstallId, reader: &Reader, trace: &Trace) -> Result<(), VaultError> {
        self.disclosures.write(self.outbox.pool(), self.read_by(install, reader, trace)).await
    }

    pub(crate) fn read_by(&self, install: InstallId, reader: &Reader, trace: &Trace) -> TokenRead {
        TokenRead {
            install_id: install,
            reader: reader.who.clone(),
            purpose: reader.purpose.clone(),
            correlation_id: trace.correlation_id.clone(),
            read_at: self.clock().now(),
        }
    }

    async fn hold(&self, install: InstallId, need: Need, trace: &Trace) -> Result<Held, VaultError> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(held) = self.present(install, need).await? {
                return Ok(held);
            }
            match self.renew_within(install, need, trace, PATIENCE_IN_LINE).await {
                Ok(renewal) => return Ok(renewal.into_held()),
                Err(VaultError::Busy { .. }) if waited < PATIENCE => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    waited += LOOK_AGAIN;
                }
                // The present token may not live as long as was wished, but it lives.
                Err(
                    error @ (VaultError::Busy { .. } | VaultError::InDoubt(_) | VaultError::NotNow { .. }),
                ) => {
                    return match need {
                        Need::AliveFor(_) => {
                            self.present(install, Need::AliveFor(Duration::from_secs(5))).await?.ok_or(error)
                        }
                        Need::NewerThan(_) | Need::OtherThan(_) => Err(error),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The token of the row, if it meets the need; without taking any lock.
    async fn present(&self, id: InstallId, need: Need) -> Result<Option<Held>, VaultError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let install = installs::find(&mut conn, id).await?.ok_or(VaultError::UnknownInstall)?;
        if !install.status.has_access() {
            return Err(VaultError::NoAccess(install.status));
        }
        let pair = tokens::find(&mut conn, id).await?.ok_or(VaultError::NoAccess(install.status))?;
        let usable = pair.state != PairState::Refused && need.is_met(&pair, self.clock().now());
        usable.then(|| self.open_access(&pair)).transpose()
    }
}
