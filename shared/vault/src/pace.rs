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
    unvouched: Rate,
}

impl Pace {
    pub(crate) fn new(limits: Limits, per_second: u32) -> Self {
        let unvouched = unvouched_rate(per_second);
        Self { limits, rate: Rate::per_second("amocrm.token", per_second), unvouched }
    }
}

/// Codes that no state vouches for have a line of their own, so that nobody else ever waits for them: two fifths of the pace of
/// all others, and besides it. Of the default of 5 that makes 7 together, which amoCRM's documentation allows.
///
/// A few in a second are spread over it, so that whoever comes next need not wait for the whole second to end.
fn unvouched_rate(per_second: u32) -> Rate {
    const NAME: &str = "amocrm.token.unvouched";
    const SPREAD_UP_TO: u32 = 10;
    let share = (per_second.saturating_mul(2) / 5).max(1);
    let whole = Rate::per_second(NAME, share);
    if share > SPREAD_UP_TO { whole } else { Rate::new(NAME, 1, whole.window / share) }
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

    /// A place for one exchange of a code that no state vouches for, waited for as long as `patience` lasts.
    ///
    /// Whose code it will be is decided afterwards, so there is no order among those who wait: each is a tenant of its own.
    /// Without Redis nobody gets a place: these requests are never made uncounted.
    pub async fn unvouched_place(&self, who: &str, patience: Duration) -> Result<(), VaultError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        let not_now = |reason, after| VaultError::NotNow { reason, after: Some(after) };
        match pace.limits.stand(&pace.unvouched, who, who, patience).await {
            Ok(Stood::Served(_)) => Ok(()),
            Ok(Stood::TooLong(wait)) => {
                Err(not_now(format!("the limit `{}` is used up", pace.unvouched.name), wait))
            }
            Err(error) => Err(not_now(format!("limits are unreachable: {error}"), Duration::from_secs(1))),
        }
    }

    /// Tells everybody that amoCRM shuts us out of the account.
    pub(crate) async fn note_block(&self, account: AccountId, time: Duration) {
        if let Some(pace) = &self.pace {
            pace.limits.shut(account, time).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_nobody_vouches_for_have_two_fifths_besides_spread_over_the_second() {
        let rate = unvouched_rate(5);
        assert_eq!((rate.places, rate.window), (1, Duration::from_millis(550)));
        assert_eq!((unvouched_rate(1).places, unvouched_rate(1).window), (1, Duration::from_millis(1_100)));
        assert_eq!(
            (unvouched_rate(1_000).places, unvouched_rate(u32::MAX).window),
            (400, Duration::from_millis(1_100))
        );
        assert_ne!(rate.name, Rate::per_second("amocrm.token", 5).name);
    }
}
