//! `calls.upload_audio`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Puts what recognition takes into storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UploadAudio {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for UploadAudio {
    const KIND: &'static str = "calls.upload_audio";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(8).timeout_secs(1200);
    const TRIGGER: &'static str = "the audio is converted";
    const ABOUT: &'static str = "uploads the audio";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
