//! `calls.settle`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Ends a call: the result is there, and owed for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settle {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for Settle {
    const KIND: &'static str = "calls.settle";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(20);
    const TRIGGER: &'static str = "the call is summarised";
    const ABOUT: &'static str = "marks the call done and its price owed";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
