//! `billing.refund_payment`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Queue};

/// Gives the money of a refund back. Its coins were withdrawn when it was asked for; they come back if the bank
/// refuses for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundPayment {
    /// UUID; also the bank's `ExternalRequestId`.
    pub refund_id: String,
}

impl Job for RefundPayment {
    const KIND: &'static str = "billing.refund_payment";
    const POLICY: Policy = Policy::on(Queue::Billing)
        .attempts(30)
        .timeout_secs(100)
        .delays(Delays::Doubling { first: Duration::from_secs(5), most: Duration::from_mins(30) });
    const TRIGGER: &'static str = "`purchase:refund`";
    const ABOUT: &'static str = "gives the money of a purchase back";

    fn dedup_key(&self) -> Option<String> {
        Some(self.refund_id.clone())
    }
}
