//! `billing.reconcile_day`.

use chrono::NaiveDate;
use flysk_domain::id::PurchaseId;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::policy::{Policy, Queue};

/// Compares the purchases that last changed on one day with the bank, a page at a time, and keeps every difference.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileDay {
    /// Which day, UTC; `None`: the one before the job runs.
    pub day: Option<NaiveDate>,
    /// Go on after this purchase.
    #[serde(default)]
    pub after: Option<PurchaseId>,
}

impl Job for ReconcileDay {
    const KIND: &'static str = "billing.reconcile_day";
    const POLICY: Policy = Policy::on(Queue::Billing).attempts(8).timeout_secs(600);
    const TRIGGER: &'static str = "daily at 04:20 UTC, `purchases:reconcile`";
    const ABOUT: &'static str = "lists every difference between the bank's books and ours";

    fn dedup_key(&self) -> Option<String> {
        let day = self.day.map_or_else(|| "yesterday".to_owned(), |day| day.to_string());
        Some(format!("{day}:{}", self.after.map(|id| id.to_string()).unwrap_or_default()))
    }
}
