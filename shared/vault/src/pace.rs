//! The pace of token requests over all accounts and processes.
//!
//! They come from few addresses, and amoCRM shuts out addresses that ask too often. Source: amoCRM docs,
//! api/recommendations; issue 434 of `amocrm/amocrm-api-php`.

use std::time::Duration;

use flysk_domain::id::AccountId;
use flysk_jobs::runtime::limits::{Limits, Rate, Stood};

use crate::{Vault, VaultError};

/// Limits that the vault keeps together with everybody else.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: Limits,
    rate: Rate,
}

impl Pace {
    pub(crate) fn new(limits: Limits, per_second: u32) -> Self {
        Self { limits, rate: Rate::per_second("amocrm.token", per_second) }
    }
}

impl Vault {
    /// A place for one token request, waited for as long as `patience` lasts; places are shared fairly between tenants.
    ///
    /// Access must not end with Redis: without it requests are not counted, and of one pair still only one is made.
    pub(crate) async fn token_place(&self, tenant: &str, patience: Duration) -> Result<(), VaultError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        match pace.limits.stand(&pace.rate, tenant, tenant, patience).await {
            Ok(Stood::Served(_)) => Ok(()),
            Ok(Stood::TooLong(wait)) => {
                let reason = format!("the limit `{}` is used up", pace.rate.name);
                Err(VaultError::NotNow { reason, after: Some(wait) })
            }
            Err(error) => {
                tracing::warn!(error = %error, "token requests cannot be counted");
                Ok(())
            }
        }
    }

    /// Tells everybody that amoCRM shuts us out of the account.
    pub(crate) async fn note_block(&self, account: AccountId, time: Duration) {
        if let Some(pace) = &self.pace {
            pace.limits.shut(account, time).await;
        }
    }
}
