//! `calls.release_payment`.

use std::time::Duration;

use flysk_domain::id::{AccountId, TranscriptionId};
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Gives back the coins that were set aside for a call without a result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleasePayment {
    /// Which call.
    pub transcription_id: TranscriptionId,
    /// Whose call, for fairness between accounts.
    pub account_id: AccountId,
    /// Which run of it.
    pub run: u32,
}

impl Job for ReleasePayment {
    const KIND: &'static str = "calls.release_payment";
    const POLICY: Policy = Policy::on(Queue::Calls)
        .attempts(200)
        .delays(Delays::Doubling { first: Duration::from_secs(2), most: Duration::from_mins(10) });
    const TRIGGER: &'static str = "the call ended without a result";
    const ABOUT: &'static str = "gives back what was set aside";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}/{}", self.transcription_id, self.run))
    }

    fn tenant(&self) -> Option<String> {
        Some(self.account_id.to_string())
    }
}
