//! `calls.hold_payment`.

use std::time::Duration;

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Sets coins aside for a call, before anything of it costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldPayment {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
}

impl Job for HoldPayment {
    const KIND: &'static str = "calls.hold_payment";
    const POLICY: Policy = Policy::on(Queue::Calls)
        .attempts(60)
        .delays(Delays::Doubling { first: Duration::from_secs(2), most: Duration::from_mins(10) });
    const TRIGGER: &'static str = "the recording is measured, or the wallet was filled";
    const ABOUT: &'static str = "sets coins aside, or parks the call";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transcription_id.to_string())
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
