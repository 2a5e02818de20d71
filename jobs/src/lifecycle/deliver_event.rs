//! `lifecycle.deliver_event`.

use std::time::Duration;

use flysk_domain::id::EventId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Sends one lifecycle event to the vendor's backend.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverEvent {
    /// Which event.
    pub event_id: EventId,
}

impl Job for DeliverEvent {
    const KIND: &'static str = "lifecycle.deliver_event";
    const POLICY: Policy = Policy::on(Queue::Lifecycle)
        .attempts(4)
        .timeout_secs(30)
        .delays(Delays::Steps(&[Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(5)]));
    const TRIGGER: &'static str = "install, activate, deactivate";
    const ABOUT: &'static str = "posts the event to the vendor, retries after 10, 60, 300 s";

    fn dedup_key(&self) -> Option<String> {
        Some(self.event_id.to_string())
    }
}
