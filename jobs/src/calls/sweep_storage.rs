//! `calls.sweep_storage`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Deletes objects whose call has ended or is unknown: what a crash left behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepStorage {}

impl Job for SweepStorage {
    const KIND: &'static str = "calls.sweep_storage";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2).timeout_secs(600);
    const TRIGGER: &'static str = "every 15 minutes";
    const ABOUT: &'static str = "deletes left-over audio";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
