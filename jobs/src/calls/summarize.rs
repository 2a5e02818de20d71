//! `calls.summarize`.

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Asks YandexGPT for a summary and the sentiment, unless recognition brought them.
///
/// The transcript is there already; if no summary can be had, the reason is kept instead. Four hours of talk are five
/// questions, each of which may take a minute and a half.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summarize {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for Summarize {
    const KIND: &'static str = "calls.summarize";
    const POLICY: Policy = Policy::on(Queue::Calls).attempts(5).timeout_secs(600);
    const TRIGGER: &'static str = "the transcript is stored";
    const ABOUT: &'static str = "summary and sentiment";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
