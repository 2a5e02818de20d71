//! `oauth.refresh_due`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Finds the pairs that expire within two hours, and those idle for a week, and enqueues their renewal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefreshDue {}

impl Job for RefreshDue {
    const KIND: &'static str = "oauth.refresh_due";
    const POLICY: Policy = Policy::on(Queue::Oauth).attempts(3);
    const TRIGGER: &'static str = "every 10 minutes";
    const ABOUT: &'static str = "enqueues the renewal of tokens that are due";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
