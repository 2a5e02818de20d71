//! Rates of amoCRM's webhooks: per install, because other widgets of an account can read the address of its hook, and per
//! sender's address. Without Redis, each process applies the limits alone.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_queue::{RedisConnection, RedisKeys};

use crate::problem::{Problem, ProblemCode};
use crate::quotas::{Limit, Quotas};

/// Length of the window, seconds. An hour, so that an import of some thousand notes passes.
const WINDOW_S: u32 = 3_600;
/// Factor of the limit per address over the limit per install. amoCRM sends the webhooks of all installs from a few addresses.
const INSTALLS_PER_SOURCE: u32 = 60;

/// Counters of webhooks. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct HookLimits {
    of_installs: Quotas,
    from_sources: Quotas,
}

impl HookLimits {
    /// `permits` webhooks per install and hour.
    pub(crate) fn new(redis: &RedisConnection, keys: &RedisKeys, permits: u32) -> Self {
        let quotas =
            |permits| Quotas::new(redis.clone(), keys.clone(), Limit { permits, window_s: WINDOW_S });
        Self {
            of_installs: quotas(permits),
            from_sources: quotas(permits.saturating_mul(INSTALLS_PER_SOURCE)),
        }
    }

    /// Counts a webhook of the install from this source.
    ///
    /// # Errors
    ///
    /// 429 with the time to wait, if one of the two limits is reached.
    pub(crate) fn take(&self, install: InstallId, source: &str, now: DateTime<Utc>) -> Result<(), Problem> {
        // The source first: one that floods must not use up the quota of the install.
        let limits = [
            ("source", &self.from_sources, format!("hook-source:{source}")),
            ("install", &self.of_installs, format!("hook:{install}")),
        ];
        for (limit, quotas, key) in limits {
            let quota = quotas.take(key, now);
            if quota.is_exceeded() {
                count_refused_hook(limit);
                let why = format!("too many webhooks ({limit}); repeat in {} s", quota.reset_s);
                return Err(Problem::new(ProblemCode::TooManyRequests, why).retry_after(quota.reset_s));
            }
        }
        Ok(())
    }
}

/// Counts a webhook of amoCRM that was refused; `reason` is `too_large`, `install` or `source`.
pub(crate) fn count_refused_hook(reason: &'static str) {
    metrics::counter!("flysk_hooks_refused_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use flysk_config::Redis;
    use flysk_domain::{Clock as _, SystemClock};

    use super::*;

    /// Nobody listens at the address: the limits must not depend on Redis.
    fn limits(permits: u32) -> HookLimits {
        let redis = RedisConnection::lazy(&Redis::at("redis://127.0.0.1:1")).unwrap();
        HookLimits::new(&redis, &RedisKeys::new("test"), permits)
    }

    fn refused_after(taken: &Result<(), Problem>) -> Option<u32> {
        taken.as_ref().err().and_then(|problem| problem.retry_after_s)
    }

    #[tokio::test]
    async fn an_install_has_a_limit_and_says_when_it_ends_without_redis() {
        let (limits, install, now) = (limits(2), InstallId::generate(&SystemClock), SystemClock.now());
        for _ in 0..2 {
            assert!(limits.take(install, "203.0.113.1", now).is_ok());
        }
        let wait = refused_after(&limits.take(install, "203.0.113.2", now)).unwrap();
        assert!((1..=WINDOW_S).contains(&wait), "{wait}");
        assert!(limits.take(InstallId::generate(&SystemClock), "203.0.113.1", now).is_ok());
        let later = now + chrono::TimeDelta::seconds(i64::from(wait));
        assert!(limits.take(install, "203.0.113.1", later).is_ok());
    }

    #[tokio::test]
    async fn an_address_has_a_limit_over_all_installs() {
        let (limits, now) = (limits(1), SystemClock.now());
        for _ in 0..INSTALLS_PER_SOURCE {
            assert!(limits.take(InstallId::generate(&SystemClock), "203.0.113.1", now).is_ok());
        }
        let install = InstallId::generate(&SystemClock);
        assert!(refused_after(&limits.take(install, "203.0.113.1", now)).is_some());
        assert!(limits.take(install, "203.0.113.2", now).is_ok(), "the install's own quota is unused");
    }
}
