//! `calls.store_transcript`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Fetches what was recognised, folds it into a dialogue with speakers, and keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoreTranscript {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for StoreTranscript {
    const KIND: &'static str = "calls.store_transcript";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(10).timeout_secs(120);
    const TRIGGER: &'static str = "the recognition is ready";
    const ABOUT: &'static str = "fetches the result, keeps dialogue and analysis";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
