//! `amocrm.unsubscribe_hooks`.

use flysk_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Takes our hooks out of an account that was deactivated but still lets us in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnsubscribeHooks {
    /// Which account.
    pub account_id: AccountId,
}

impl Job for UnsubscribeHooks {
    const KIND: &'static str = "amocrm.unsubscribe_hooks";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(4);
    const TRIGGER: &'static str = "deactivation";
    const ABOUT: &'static str = "removes `note_*` hooks";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
