//! `billing.reconcile_payment`.

use flysk_domain::id::PurchaseId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Asks the bank how a purchase stands, and believes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcilePayment {
    /// Which.
    pub purchase_id: PurchaseId,
    /// All payments of the order, not only the one that is known.
    #[serde(default)]
    pub whole_order: bool,
}

impl Job for ReconcilePayment {
    const KIND: &'static str = "billing.reconcile_payment";
    const POLICY: Policy = Policy::on(Queue::Billing).attempts(4).timeout_secs(100);
    const TRIGGER: &'static str = "`billing.reconcile_due`, notices that do not fit";
    const ABOUT: &'static str = "asks the bank how a purchase stands";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.purchase_id, self.whole_order))
    }
}
