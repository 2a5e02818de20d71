//! `flycoins.verify_ledger`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Priority, Queue};

/// Proves every balance from the entries, and raises an alarm if one does not agree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifyLedger {}

impl Job for VerifyLedger {
    const KIND: &'static str = "flycoins.verify_ledger";
    const POLICY: Policy = Policy::on(Queue::Billing).priority(Priority::Low).attempts(3).timeout_secs(3_600);
    const TRIGGER: &'static str = "nightly";
    const ABOUT: &'static str =
        "proves the balances from the entries, and raises an alarm if they do not agree";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
