//! FlySense's hooks in amoCRM accounts.

use flysk_domain::id::AccountId;
use flysk_queue::{Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Checks that amoCRM has the current subscription to an account's call notes, and repairs it if not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckHooks {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for CheckHooks {
    const KIND: &'static str = "amocrm.check_hooks";
    const POLICY: Policy =
        Policy::for_queue(queues::CALLS).priority(Priority::Low).attempts(6).timeout_secs(120);
    const TRIGGER: &'static str = "`amocrm.check_hooks_due`, `keys:rotate`";
    const DESCRIPTION: &'static str =
        "repairs a subscription that is missing, disabled, or under a previous key";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

recurring_job! {
    /// Enqueues a check of the subscription for every active account.
    CheckHooksDue, "amocrm.check_hooks_due";
    policy: Policy::for_queue(queues::UPKEEP).attempts(2).timeout_secs(300);
    trigger: "every hour";
    description: "enqueues `amocrm.check_hooks` for every active account";
}

/// Subscribes FlySense to the call notes of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscribeHooks {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for SubscribeHooks {
    const KIND: &'static str = "amocrm.subscribe_hooks";
    const POLICY: Policy = Policy::for_queue(queues::CALLS).attempts(12);
    const TRIGGER: &'static str = "activation of FlySense";
    const DESCRIPTION: &'static str = "subscribes to the account's `note_*` hooks";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}

/// Removes FlySense's hooks from an account that deactivated FlySense but whose tokens still work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnsubscribeHooks {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

impl Job for UnsubscribeHooks {
    const KIND: &'static str = "amocrm.unsubscribe_hooks";
    const POLICY: Policy = Policy::for_queue(queues::CALLS).attempts(4);
    const TRIGGER: &'static str = "deactivation of FlySense";
    const DESCRIPTION: &'static str = "removes the account's `note_*` hooks";

    fn dedup_key(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
