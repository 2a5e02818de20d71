//! `calls.delete_audio`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Priority, Queue};

/// Deletes everything of a call from storage and from the scratch folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteAudio {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for DeleteAudio {
    const KIND: &'static str = "calls.delete_audio";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(20).priority(Priority::Low);
    const TRIGGER: &'static str = "the call ended in any way";
    const ABOUT: &'static str = "deletes the call's audio";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
