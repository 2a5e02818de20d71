//! `calls.retry_unpaid`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Finds the accounts in which something waits for coins and whose balance is to be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetryUnpaid {}

impl Job for RetryUnpaid {
    const KIND: &'static str = "calls.retry_unpaid";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2);
    const TRIGGER: &'static str = "every 10 seconds";
    const ABOUT: &'static str = "finds accounts where something waits for coins";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
