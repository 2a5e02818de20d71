//! `calls.fetch_recording`.

use std::time::Duration;

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Reads the note, downloads the recording it links to, and keeps the original in storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchRecording {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for FetchRecording {
    const KIND: &'static str = "calls.fetch_recording";
    const POLICY: Policy = Policy::on(Queue::Calls)
        .attempts(12)
        .timeout_secs(1_500)
        .delays(Delays::Doubling { first: Duration::from_secs(5), most: Duration::from_mins(15) });
    const TRIGGER: &'static str = "a request or an ingested note";
    const ABOUT: &'static str = "downloads the recording";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
