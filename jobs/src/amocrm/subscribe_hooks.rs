//! `amocrm.subscribe_hooks`.

use flysk_domain::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Subscribes FlySense to the call notes of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscribeHooks {
    /// Which account.
    pub account_id: AccountId,
}

impl Job for SubscribeHooks {
    const KIND: &'static str = "amocrm.subscribe_hooks";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(12);
    const TRIGGER: &'static str = "activation";
    const ABOUT: &'static str = "subscribes to `note_*` hooks";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
