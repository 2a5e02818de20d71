//! `calls.capture_payment`.

use std::time::Duration;

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Takes the coins a result cost. It is tried until that is definite; the result is shown meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapturePayment {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
    /// Which run of it.
    pub run: u32,
}

impl Job for CapturePayment {
    const KIND: &'static str = "calls.capture_payment";
    const POLICY: Policy = Policy::on(Queue::Calls)
        .attempts(10_000)
        .delays(Delays::Doubling { first: Duration::from_secs(2), most: Duration::from_mins(10) });
    const TRIGGER: &'static str = "the call is done, or the wallet was filled";
    const ABOUT: &'static str = "takes the coins the result cost";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}/{}", self.transcription_id, self.run))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
