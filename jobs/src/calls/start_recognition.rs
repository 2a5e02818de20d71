//! `calls.start_recognition`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Submits the audio to SpeechKit. There is no idempotency at SpeechKit: the number of submits is noted
/// before each, and no more than three are ever made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRecognition {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for StartRecognition {
    const KIND: &'static str = "calls.start_recognition";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(8).timeout_secs(60);
    const TRIGGER: &'static str = "the audio is uploaded";
    const ABOUT: &'static str = "submits the recognition within 500 an hour";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
