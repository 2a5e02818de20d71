//! How many deliveries go to one address at once, and how long the others wait.
//!
//! Places and failures are counted per address: a widget may have one for each kind of event, and one that is dead must
//! not stop the others. Who waits comes back when there is likely to be a place, and not all at once: each look costs
//! two flushed writes, which deliveries to healthy backends stand behind.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_clients::outbound::PostLimits;
use flysk_domain::id::WidgetId;
use flysk_domain::platform::breaker::Breaker;
use flysk_jobs::runtime::limits::{Entry, Limits, Room};
use flysk_jobs::{JobError, Verdict};
use flysk_store::platform::endpoints;
use sha2::{Digest as _, Sha256};

/// Deliveries to one address at once; to one whose last answer was a failure there is one at a time.
const AT_ONCE: u32 = 8;
/// A delivery that takes longer keeps others to the same address from joining it: however many backends hang, each
/// holds the few places it took in its first second.
const HANGS_AFTER: Duration = Duration::from_secs(1);
/// A place whose holder died is free after this; a delivery takes 10 s at most.
const PLACE_KEPT: Duration = Duration::from_secs(15);
/// When a busy address has a place again, about.
const BUSY: Duration = Duration::from_secs(1);
/// The longest time those who wait for an address that is tried again are spread over.
const WIDEST: TimeDelta = TimeDelta::minutes(5);

/// The address an event goes to.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// What it is known by.
    pub(super) row: endpoints::Endpoint,
    /// How it was doing when the delivery began.
    pub(super) doing: Breaker,
}

impl Endpoint {
    /// The name of `url` in the table and in rooms.
    pub(super) fn row(widget_id: WidgetId, url: &str) -> endpoints::Endpoint {
        endpoints::Endpoint { widget_id, address: format!("{:x}", Sha256::digest(url.as_bytes())) }
    }

    /// The delivery waits if the address is left alone for a while.
    pub(super) fn left_alone(&self, now: DateTime<Utc>) -> Option<Verdict> {
        let wait = self.doing.wait(now)?;
        let until = now + wait + (wait / 4).min(WIDEST) * rand::random_range(0..=100) / 100;
        Some(Verdict::snooze(until, "the backend failed too often and is left alone for a while"))
    }

    /// Takes a place for `holder`, or says when to ask again.
    pub(super) async fn enter(&self, limits: &Limits, holder: &str) -> Result<(), JobError> {
        let (after, why) = match limits.knock(&self.room(), holder).await? {
            Entry::In => return Ok(()),
            Entry::Full if self.doing.failures == 0 => (BUSY, "is busy"),
            Entry::Full | Entry::Closed => {
                (PostLimits::default().total, "does not answer those who are there")
            }
        };
        // Half of it to one and a half.
        let after = after.mul_f64(rand::random_range(0.5..1.5));
        Err(JobError::Wait { after, reason: format!("the backend {why}") })
    }

    /// Gives the place back.
    pub(super) async fn leave(&self, limits: &Limits, holder: &str) {
        limits.leave(&self.room(), holder).await;
    }

    fn room(&self) -> Room {
        Room {
            name: format!("events.{}.{}", self.row.widget_id, self.row.address),
            places: if self.doing.failures == 0 { AT_ONCE } else { 1 },
            kept_for: PLACE_KEPT,
            closes_after: Some(HANGS_AFTER),
        }
    }
}
