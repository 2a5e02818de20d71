//! `calls.reconcile_due`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Has every active account's log of calls read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileDue {}

impl Job for ReconcileDue {
    const KIND: &'static str = "calls.reconcile_due";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2).timeout_secs(300);
    const TRIGGER: &'static str = "every 10 minutes";
    const ABOUT: &'static str = "enqueues `calls.reconcile_account` for active accounts";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
