//! What a job is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::policy::Policy;

/// A kind of durable work: a payload of ids, and how it is run.
///
/// The handler lives in `flysk-workers`, so that `flysk-api` can enqueue but never run. A job may
/// run twice and may die half-way; its handler says what makes the second run harmless.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `<area>.<verb>_<noun>`; never renamed.
    const KIND: &'static str;
    /// Where, how often, how long.
    const POLICY: Policy;
    /// What starts it, for `docs/jobs.md`.
    const TRIGGER: &'static str;
    /// What it does, for `docs/jobs.md`.
    const ABOUT: &'static str;

    /// Two waiting jobs of one kind and key are one.
    fn dedup_key(&self) -> Option<String> {
        None
    }

    /// Whose work it is, for fairness between accounts.
    fn tenant(&self) -> Option<String> {
        None
    }
}

/// Work that may be lost: a wake-up that lives in Redis only and is made again from state in MySQL.
///
/// Of one kind and key there is at most one at a time.
pub trait Tick: Send + Sync + 'static {
    /// `<area>.<verb>_<noun>`.
    const KIND: &'static str;
    /// What starts it, for `docs/jobs.md`.
    const TRIGGER: &'static str;
    /// What it does, for `docs/jobs.md`.
    const ABOUT: &'static str;
}
