//! `billing.reconcile_due`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Finds purchases the bank has been silent about for too long, and has it asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileDue {}

impl Job for ReconcileDue {
    const KIND: &'static str = "billing.reconcile_due";
    const POLICY: Policy = Policy::on(Queue::Billing).attempts(2);
    const TRIGGER: &'static str = "every 30 s";
    const ABOUT: &'static str = "enqueues questions about purchases the bank is silent about";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
