//! Events to vendors' backends.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::{EventId, InstallId, WidgetId};
use flysk_queue::{Backoff, Job, Policy};
use serde::{Deserialize, Serialize};

use crate::queues;

/// Time after which an event that waits for earlier events of its install looks again, for each of them. The end of the
/// one before makes it due at once; this delay only bounds the wait if the two transactions did not see each other.
pub const ORDER_RECHECK_DELAY: Duration = Duration::from_secs(10);

/// Sends one event to the vendor's backend.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverEvent {
    /// Row of `lifecycle_events`.
    pub event_id: EventId,
    /// Its widget, whose events are one tenant: a backend with many events must not delay the others. `None` in jobs of earlier
    /// releases.
    #[serde(default)]
    pub widget_id: Option<WidgetId>,
}

impl DeliverEvent {
    /// Delivery of an event of this widget.
    pub const fn new(widget_id: WidgetId, event_id: EventId) -> Self {
        Self { event_id, widget_id: Some(widget_id) }
    }
}

impl Job for DeliverEvent {
    const KIND: &'static str = "lifecycle.deliver_event";
    const POLICY: Policy = Policy::for_queue(queues::LIFECYCLE)
        .attempts(4)
        .timeout_secs(30)
        .backoff(Backoff::Fixed(&[Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(5)]));
    const TRIGGER: &'static str = "an event of an install";
    const DESCRIPTION: &'static str = "posts the event to the vendor's backend";

    fn dedup_key(&self) -> Option<String> {
        Some(self.event_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        self.widget_id.map(|widget| widget.to_string())
    }
}

/// Delivers the ended events of a widget's period again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayEvents {
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Only events of this install.
    pub install_id: Option<InstallId>,
    /// Only events of this kind.
    pub kind: Option<String>,
    /// States of the events; `waiting` is not among them.
    pub states: Vec<String>,
    /// Events at or after this time.
    pub from: DateTime<Utc>,
    /// Events before this time.
    pub until: DateTime<Utc>,
    /// When the replay was requested: events whose delivery ended later are left out.
    pub requested_at: DateTime<Utc>,
    /// Number of the last event that earlier jobs of the replay have queued; 0 for the first one.
    #[serde(default)]
    pub after: u64,
}

impl Job for ReplayEvents {
    const KIND: &'static str = "lifecycle.replay_events";
    const POLICY: Policy = Policy::for_queue(queues::LIFECYCLE).attempts(5).timeout_secs(300);
    const TRIGGER: &'static str = "a vendor's request to replay a period";
    const DESCRIPTION: &'static str = "queues ended events of a period for delivery again, in order";
}
