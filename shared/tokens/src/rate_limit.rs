//! The rate limit of token requests over all accounts and processes.
//!
//! All requests come from few IP addresses, and amoCRM blocks addresses with too many requests. Source: amoCRM docs,
//! api/recommendations; issue 434 of `amocrm/amocrm-api-php`.

use std::time::Duration;

use flysk_queue::limits::{RateLimit, RateLimiter, WaitOutcome};

use flysk_services::installs::{AmocrmCaller, block_account};
use flysk_store::platform::installs::Install;

use crate::{Vault, VaultError};

/// Rate limits of token requests, shared by all processes.
#[derive(Debug)]
pub(crate) struct TokenRequestLimit {
    limits: RateLimiter,
    rate: RateLimit,
    unvouched: RateLimit,
}

impl TokenRequestLimit {
    pub(crate) fn new(limits: RateLimiter, per_second: u32) -> Self {
        let unvouched = unvouched_rate(per_second);
        Self { limits, rate: RateLimit::per_second("amocrm.token", per_second), unvouched }
    }
}

/// Rate limit of unvouched codes: two fifths of the limit of other token requests, in addition to it. With the default
/// of 5/s, the sum is 7/s, which amoCRM's documentation allows. A separate limit, so that vouched codes and renewals
/// never wait for forged codes.
///
/// Low rates are spread over the second, so that the next code need not wait for the end of the window.
fn unvouched_rate(per_second: u32) -> RateLimit {
    const LIMIT_NAME: &str = "amocrm.token.unvouched";
    const MAX_SPREAD_PER_SECOND: u32 = 10;
    let share = (per_second.saturating_mul(2) / 5).max(1);
    let whole = RateLimit::per_second(LIMIT_NAME, share);
    if share > MAX_SPREAD_PER_SECOND { whole } else { RateLimit::new(LIMIT_NAME, 1, whole.window / share) }
}

impl Vault {
    /// Acquires the rate limit for one token request, waiting at most `max_wait`. Fair between tenants.
    ///
    /// Without Redis the request is made without counting, so that access to amoCRM does not depend on Redis. The lease
    /// still admits only one renewal per pair.
    pub(crate) async fn acquire_token_request(
        &self,
        tenant: &str,
        max_wait: Duration,
    ) -> Result<(), VaultError> {
        let Some(rate_limit) = &self.rate_limit else { return Ok(()) };
        match rate_limit.limits.acquire_timeout(&rate_limit.rate, tenant, tenant, max_wait).await {
            Ok(WaitOutcome::Acquired(_)) => Ok(()),
            Ok(WaitOutcome::TimedOut(wait)) => {
                let reason = format!("rate limit `{}` exceeded", rate_limit.rate.name);
                Err(VaultError::NotNow { reason, after: Some(wait) })
            }
            Err(error) => {
                tracing::warn!(error = %error, "token rate limiter unavailable: the request is not counted");
                Ok(())
            }
        }
    }

    /// Acquires the rate limit for one exchange of an unvouched code, waiting at most `max_wait`.
    ///
    /// The code is selected afterwards, so waiting jobs have no order: each is a tenant of its own. Without Redis no
    /// permit is granted, because these requests are never made uncounted.
    pub async fn acquire_unvouched_exchange(&self, who: &str, max_wait: Duration) -> Result<(), VaultError> {
        let Some(rate_limit) = &self.rate_limit else { return Ok(()) };
        let not_now = |reason, after| VaultError::NotNow { reason, after: Some(after) };
        match rate_limit.limits.acquire_timeout(&rate_limit.unvouched, who, who, max_wait).await {
            Ok(WaitOutcome::Acquired(_)) => Ok(()),
            Ok(WaitOutcome::TimedOut(wait)) => {
                Err(not_now(format!("rate limit `{}` exceeded", rate_limit.unvouched.name), wait))
            }
            Err(error) => Err(not_now(format!("rate limiter unavailable: {error}"), Duration::from_secs(1))),
        }
    }

    /// Records for all processes that the account's API has blocked requests of the install.
    pub(crate) async fn record_block(&self, install: &Install, time: Duration) {
        if let Some(rate_limit) = &self.rate_limit {
            let caller = AmocrmCaller::Install(install.id);
            block_account(&rate_limit.limits, install.account_id, caller, time).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_nobody_vouches_for_have_two_fifths_besides_spread_over_the_second() {
        let rate = unvouched_rate(5);
        assert_eq!((rate.permits, rate.window), (1, Duration::from_millis(550)));
        assert_eq!((unvouched_rate(1).permits, unvouched_rate(1).window), (1, Duration::from_millis(1_100)));
        assert_eq!(
            (unvouched_rate(1_000).permits, unvouched_rate(u32::MAX).window),
            (400, Duration::from_millis(1_100))
        );
        assert_ne!(rate.name, RateLimit::per_second("amocrm.token", 5).name);
    }
}
