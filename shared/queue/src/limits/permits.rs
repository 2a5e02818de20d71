//! Permits of concurrency limits, acquired and released many at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};

use super::{ConcurrencyLimit, PermitOutcome, RateLimiter, RateLimiterError, millis, unreachable};
use crate::outcome::JobError;

static ACQUIRE_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../lua/permit_groups.lua")));
static RENEW_SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../lua/renew_permit.lua")));

/// Who asks for a permit of a limit, or holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitHolder {
    /// The limit. Requests of the same limit in one group may differ in the number of permits, not in their time to live.
    pub limit: ConcurrencyLimit,
    /// Unique among the holders of the limit.
    pub holder: String,
}

impl RateLimiter {
    /// Acquires a permit for each of `wanted` in their order, or renews the holder's permit, in one round trip. Returns as many
    /// outcomes: those that as many single requests would have.
    ///
    /// # Errors
    ///
    /// Redis is unavailable. Permits may have been granted; they expire.
    pub async fn acquire_permits(
        &self,
        wanted: &[LimitHolder],
    ) -> Result<Vec<PermitOutcome>, RateLimiterError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut script = ACQUIRE_SCRIPT.prepare_invoke();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for LimitHolder { limit, holder } in wanted {
            let next = numbers.len() + 1;
            let number = *numbers.entry(&limit.name).or_insert(next);
            if number == next {
                script.key(self.permits_key(&limit.name));
            }
            script
                .arg(number)
                .arg(limit.permits)
                .arg(holder)
                .arg(millis(limit.permit_ttl))
                .arg(limit.close_when_held_longer_than.map_or(0, millis));
        }
        let replies: Vec<i64> = script.invoke_async(&mut self.redis.clone()).await?;
        let outcomes = replies.into_iter().map(|reply| match reply {
            1 => PermitOutcome::Acquired,
            2 => PermitOutcome::Closed,
            _ => PermitOutcome::Full,
        });
        Ok(outcomes.collect())
    }

    /// Acquires a permit of `limit` for `holder`, or renews the holder's permit. `false` if none is granted.
    pub async fn acquire_permit(&self, limit: &ConcurrencyLimit, holder: &str) -> Result<bool, RedisError> {
        let wanted = LimitHolder { limit: limit.clone(), holder: holder.to_owned() };
        let outcomes = self.acquire_permits(std::slice::from_ref(&wanted)).await?;
        Ok(outcomes.first() == Some(&PermitOutcome::Acquired))
    }

    /// [`RateLimiter::acquire_permit`] for handlers: `?` postpones the job by `retry` if the limit is full.
    pub async fn acquire_permit_or_snooze(
        &self,
        limit: &ConcurrencyLimit,
        holder: &str,
        retry: Duration,
    ) -> Result<(), JobError> {
        match self.acquire_permit(limit, holder).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(JobError::Wait {
                after: retry,
                reason: format!("concurrency limit `{}` is full", limit.name),
            }),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Renews the permit of `holder` for `permit_ttl`; grants none. If the renewal fails, the permit expires.
    pub async fn renew_permit(&self, limit: &ConcurrencyLimit, holder: &str) {
        let renewed: Result<u8, _> = RENEW_SCRIPT
            .key(self.permits_key(&limit.name))
            .arg(holder)
            .arg(millis(limit.permit_ttl))
            .invoke_async(&mut self.redis.clone())
            .await;
        if let Err(error) = renewed {
            tracing::debug!(error = %error, limit = %limit.name, "failed to renew a permit");
        }
    }

    /// Releases permits in one round trip. If that fails, they expire after their `permit_ttl`.
    pub async fn release_permits(&self, held: &[LimitHolder]) {
        if held.is_empty() {
            return;
        }
        let mut by_limit: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for LimitHolder { limit, holder } in held {
            by_limit.entry(&limit.name).or_default().push(holder);
        }
        let mut pipe = redis::pipe();
        for (limit, holders) in &by_limit {
            pipe.cmd("ZREM").arg(self.permits_key(limit)).arg(holders).ignore();
        }
        let released: Result<(), _> = pipe.query_async(&mut self.redis.clone()).await;
        if let Err(error) = released {
            tracing::debug!(error = %error, limits = by_limit.len(), "failed to release permits");
        }
    }

    /// Releases a permit of `limit`. If that fails, it expires after `permit_ttl`.
    pub async fn release_permit(&self, limit: &ConcurrencyLimit, holder: &str) {
        self.release_permits(&[LimitHolder { limit: limit.clone(), holder: holder.to_owned() }]).await;
    }

    /// The delay of a job whose permit is unknown because Redis is unavailable.
    pub fn delay_without_redis(error: &RateLimiterError) -> JobError {
        unreachable(error)
    }

    fn permits_key(&self, limit: &str) -> String {
        self.keys.key(&format!("concurrency:{limit}"))
    }
}
