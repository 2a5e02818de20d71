//! `amocrm.check_hooks_due`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Has the subscription of every active account looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckHooksDue {}

impl Job for CheckHooksDue {
    const KIND: &'static str = "amocrm.check_hooks_due";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2).timeout_secs(300);
    const TRIGGER: &'static str = "every hour";
    const ABOUT: &'static str = "enqueues `amocrm.check_hooks` for active accounts";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
