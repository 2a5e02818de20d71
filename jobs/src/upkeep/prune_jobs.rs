//! `upkeep.prune_jobs`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Forgets jobs that ended long ago: done and cancelled ones after 7 days, dead ones after 90.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneJobs {}

impl Job for PruneJobs {
    const KIND: &'static str = "upkeep.prune_jobs";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2).timeout_secs(300);
    const TRIGGER: &'static str = "hourly";
    const ABOUT: &'static str = "forgets old jobs, ticks, hook deliveries and idempotency keys";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
