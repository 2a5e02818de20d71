//! `calls.resume_unpaid`.

use flysk_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Asks for an account's balance and lets go on what it covers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResumeUnpaid {
    /// Whose calls.
    pub account_id: AccountId,
}

impl Job for ResumeUnpaid {
    const KIND: &'static str = "calls.resume_unpaid";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(4);
    const TRIGGER: &'static str = "`calls.retry_unpaid`";
    const ABOUT: &'static str = "asks for the balance once, lets the oldest that it covers go on";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
