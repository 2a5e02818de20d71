//! Traits of jobs.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::policy::Policy;

/// A kind of durable jobs: a payload of ids, and a policy.
///
/// The handler is in `flysk-workers`, so `flysk-api` can enqueue jobs but not run them. A job may run twice and may
/// stop halfway; its handler documents why a second run is harmless.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `<area>.<verb>_<noun>`; never renamed.
    const KIND: &'static str;
    /// Queue, priority, attempts, backoff, time limit.
    const POLICY: Policy;
    /// Trigger of the job, for `docs/jobs.md`.
    const TRIGGER: &'static str;
    /// Effect of the job, for `docs/jobs.md`.
    const DESCRIPTION: &'static str;

    /// Key for deduplication: only one job of a kind and key can be waiting. `None`: no deduplication.
    fn dedup_key(&self) -> Option<String> {
        None
    }

    /// Account, install or widget that the job belongs to, for fair scheduling between tenants.
    fn tenant(&self) -> Option<String> {
        None
    }
}

/// A kind of ephemeral jobs: timers in Redis only, which may be lost and are re-created from MySQL.
///
/// At most one job of a kind and key is scheduled or running.
pub trait EphemeralJob: Send + Sync + 'static {
    /// `<area>.<verb>_<noun>`.
    const KIND: &'static str;
    /// Trigger of the job, for `docs/jobs.md`.
    const TRIGGER: &'static str;
    /// Effect of the job, for `docs/jobs.md`.
    const DESCRIPTION: &'static str;
}
