//! FlySense's side of the erasure of an account's personal data.

use std::time::Duration;

use flysk_domain::id::{AccountId, ErasureId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::queues;

/// Deletes calls, recordings, and people who are bound in messengers. A part of the calls is one attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EraseCalls {
    /// Row of `account_erasures`.
    pub erasure_id: ErasureId,
    /// The account: the tenant, for fair scheduling.
    pub account_id: AccountId,
}

impl Job for EraseCalls {
    const KIND: &'static str = "calls.erase_account";
    const POLICY: Policy = Policy::for_queue(queues::CALLS)
        .priority(Priority::Low)
        .attempts(100)
        .timeout_secs(600)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(30) });
    const TRIGGER: &'static str = "an erasure requested in the admin panel, `account:erase`";
    const DESCRIPTION: &'static str =
        "deletes an account's calls, recordings and bindings, counting each kind";

    fn dedup_key(&self) -> Option<String> {
        Some(self.erasure_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
