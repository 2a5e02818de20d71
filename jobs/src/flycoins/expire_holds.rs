//! `flycoins.expire_holds`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Frees holds nobody came back for, and takes coins away whose time is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpireHolds {}

impl Job for ExpireHolds {
    const KIND: &'static str = "flycoins.expire_holds";
    const POLICY: Policy = Policy::on(Queue::Billing).attempts(3).timeout_secs(120);
    const TRIGGER: &'static str = "every minute";
    const ABOUT: &'static str = "frees holds that ran out, and coins that expired";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
