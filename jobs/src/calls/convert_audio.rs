//! `calls.convert_audio`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Decodes the recording, measures speech, and makes what recognition takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConvertAudio {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for ConvertAudio {
    const KIND: &'static str = "calls.convert_audio";
    const POLICY: Policy = Policy::on(Queue::Audio).attempts(4).timeout_secs(1200);
    const TRIGGER: &'static str = "the recording is stored";
    const ABOUT: &'static str = "decodes, measures, converts";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
