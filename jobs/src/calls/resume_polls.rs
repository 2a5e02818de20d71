//! `calls.resume_polls`.

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Sets the poll ticks of recognitions under way again, in case Redis lost them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResumePolls {}

impl Job for ResumePolls {
    const KIND: &'static str = "calls.resume_polls";
    const POLICY: Policy = Policy::on(Queue::Upkeep).attempts(2);
    const TRIGGER: &'static str = "every 30 seconds";
    const ABOUT: &'static str = "makes lost poll ticks again";

    fn dedup_key(&self) -> Option<String> {
        Some("all".to_owned())
    }
}
