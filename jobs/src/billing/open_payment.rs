//! `billing.open_payment`.

use std::time::Duration;

use flysk_domain::id::PurchaseId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Delays, Policy, Priority, Queue};

/// Opens the bank's form for a purchase.
///
/// The bank knows no idempotency: the intent is durable before `Init`, and whoever finds it asks `CheckOrder`
/// before anything else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenPayment {
    /// Which.
    pub purchase_id: PurchaseId,
}

impl Job for OpenPayment {
    const KIND: &'static str = "billing.open_payment";
    const POLICY: Policy =
        Policy::on(Queue::Billing).priority(Priority::High).attempts(6).timeout_secs(110).delays(
            Delays::Steps(&[
                Duration::from_secs(2),
                Duration::from_secs(5),
                Duration::from_secs(15),
                Duration::from_secs(30),
                Duration::from_mins(1),
            ]),
        );
    const TRIGGER: &'static str = "a purchase";
    const ABOUT: &'static str = "opens the bank's payment form";

    fn dedup_key(&self) -> Option<String> {
        Some(self.purchase_id.to_string())
    }
}
