//! `amocrm.check_hooks`.

use flysk_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Priority, Queue};

/// Looks whether amoCRM still tells us of an account's calls, at the address of today, and repairs it if not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckHooks {
    /// Which account.
    pub account_id: AccountId,
}

impl Job for CheckHooks {
    const KIND: &'static str = "amocrm.check_hooks";
    const POLICY: Policy = Policy::on(Queue::Calls).priority(Priority::Low).attempts(6).timeout_secs(120);
    const TRIGGER: &'static str = "`amocrm.check_hooks_due`, and `keys:rotate`";
    const ABOUT: &'static str = "repairs a subscription that is missing, disabled, or under a former key";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
