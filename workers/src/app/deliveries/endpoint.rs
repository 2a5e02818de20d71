//! Concurrency limit and circuit breaker of an event endpoint.
//!
//! Permits and failures are counted per URL: a widget may have one for each kind of event, and a dead one must not stop
//! the others. Waiting deliveries come back when a permit is likely to be free, with jitter. Each try costs two flushed
//! writes, which would delay deliveries to healthy backends.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_clients::outbound::PostLimits;
use flysk_domain::id::{JobId, WidgetId};
use flysk_domain::platform::breaker::Breaker;
use flysk_domain::{Randomness as _, SystemRandomness};
use flysk_queue::limits::{ConcurrencyLimit, LimitHolder, PermitOutcome};
use flysk_queue::{JobError, JobOutcome};
use flysk_store::platform::endpoints;
use sha2::{Digest as _, Sha256};

/// Concurrent deliveries to one endpoint; 1 if its last delivery failed.
const MAX_CONCURRENT_DELIVERIES: u32 = 8;
/// While a delivery has run for longer than this, no other delivery to the endpoint starts. So each hanging backend
/// occupies only the permits it took in its first second.
const HANGING_DELIVERY_AGE: Duration = Duration::from_secs(1);
/// Time after which the permit of a dead holder expires; a delivery takes at most 10 s.
const PERMIT_TTL: Duration = Duration::from_secs(15);
/// Approximate time until a busy endpoint has a free permit.
const BUSY_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Maximum jitter of deliveries that wait for an open circuit breaker.
const MAX_RETRY_SPREAD: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Key in the table.
    pub(crate) row: endpoints::Endpoint,
    /// Circuit breaker before the delivery.
    pub(crate) breaker: Breaker,
    /// Where events are posted.
    pub(crate) url: String,
}

impl Endpoint {
    /// The endpoint at `url`. Those that have failed are in `failing`.
    pub(crate) fn new(
        widget_id: WidgetId,
        url: &str,
        failing: &HashMap<endpoints::Endpoint, Breaker>,
    ) -> Self {
        let address = format!("{:x}", Sha256::digest(url.as_bytes()));
        let row = endpoints::Endpoint { widget_id, address };
        let breaker = failing.get(&row).copied().unwrap_or_default();
        Self { row, breaker, url: url.to_owned() }
    }

    /// Snoozes the delivery while the circuit breaker of the address is open.
    pub(crate) fn circuit_open(&self, now: DateTime<Utc>) -> Option<JobOutcome> {
        let wait = self.breaker.wait(now)?;
        let percent = SystemRandomness.random_u128() % 101;
        let until =
            now + wait + (wait / 4).min(MAX_RETRY_SPREAD) * i32::try_from(percent).unwrap_or_default() / 100;
        Some(JobOutcome::snooze(until, "the backend failed too often: its circuit breaker is open"))
    }

    /// The request of `job` for a permit.
    pub(crate) fn request(&self, job: JobId) -> LimitHolder {
        LimitHolder { limit: self.limit(), holder: job.to_string() }
    }

    /// The delay of a delivery that was granted no permit; `None` if it was granted one.
    pub(crate) fn refusal(&self, outcome: PermitOutcome) -> Option<JobError> {
        let (after, why) = match outcome {
            PermitOutcome::Acquired => return None,
            PermitOutcome::Full if self.breaker.failures == 0 => (BUSY_RETRY_DELAY, "is busy"),
            PermitOutcome::Full | PermitOutcome::Closed => {
                (PostLimits::default().total, "has unanswered deliveries")
            }
        };
        // Jitter: 50 to 150 %.
        let after = after.mul_f64(0.5 + SystemRandomness.random_unit());
        Some(JobError::Wait { after, reason: format!("the backend {why}") })
    }

    fn limit(&self) -> ConcurrencyLimit {
        ConcurrencyLimit {
            name: format!("events.{}.{}", self.row.widget_id, self.row.address),
            permits: if self.breaker.failures == 0 { MAX_CONCURRENT_DELIVERIES } else { 1 },
            permit_ttl: PERMIT_TTL,
            close_when_held_longer_than: Some(HANGING_DELIVERY_AGE),
        }
    }
}
