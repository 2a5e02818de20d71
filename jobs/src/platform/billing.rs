//! Payments: purchases, notifications, reconciliation, refunds.

use std::time::Duration;

use chrono::NaiveDate;
use flysk_domain::id::{NotificationId, PurchaseId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Applies a stored notification of T-Bank to its purchase, and credits the coins of a paid one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyTbankNotification {
    /// Row of `tbank_notifications`.
    pub notification_id: NotificationId,
}

impl Job for ApplyTbankNotification {
    const KIND: &'static str = "billing.apply_tbank_notification";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).priority(Priority::High).attempts(12);
    const TRIGGER: &'static str = "T-Bank's notification";
    const DESCRIPTION: &'static str =
        "applies the notification to its purchase; credits the coins of a paid one";

    fn dedup_key(&self) -> Option<String> {
        Some(self.notification_id.to_string())
    }
}

/// Creates the payment of a purchase at T-Bank and stores the URL of its form.
///
/// T-Bank has no idempotency keys. The intent is stored before `Init`, and a later attempt that finds it calls
/// `CheckOrder` first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenPayment {
    /// Row of `coin_purchases`.
    pub purchase_id: PurchaseId,
}

impl Job for OpenPayment {
    const KIND: &'static str = "billing.open_payment";
    const POLICY: Policy =
        Policy::for_queue(queues::BILLING).priority(Priority::High).attempts(6).timeout_secs(110).backoff(
            Backoff::Fixed(&[
                Duration::from_secs(2),
                Duration::from_secs(5),
                Duration::from_secs(15),
                Duration::from_secs(30),
                Duration::from_mins(1),
            ]),
        );
    const TRIGGER: &'static str = "a new purchase";
    const DESCRIPTION: &'static str = "creates the payment and its form at T-Bank";

    fn dedup_key(&self) -> Option<String> {
        Some(self.purchase_id.to_string())
    }
}

/// Compares the purchases that last changed on one day with T-Bank, page by page, and stores every discrepancy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileDay {
    /// Day to compare, UTC; `None`: the day before the run.
    pub day: Option<NaiveDate>,
    /// Last purchase of the previous page.
    #[serde(default)]
    pub after: Option<PurchaseId>,
}

impl Job for ReconcileDay {
    const KIND: &'static str = "billing.reconcile_day";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(8).timeout_secs(600);
    const TRIGGER: &'static str = "daily at 04:20 UTC, `purchases:reconcile`";
    const DESCRIPTION: &'static str = "compares the day's purchases with T-Bank, stores discrepancies";

    fn dedup_key(&self) -> Option<String> {
        let day = self.day.map_or_else(|| "yesterday".to_owned(), |day| day.to_string());
        Some(format!("{day}:{}", self.after.map(|id| id.to_string()).unwrap_or_default()))
    }
}

recurring_job! {
    /// Finds purchases whose status T-Bank has not reported for too long, and enqueues a query for each.
    ReconcileDue, "billing.reconcile_due";
    policy: Policy::for_queue(queues::BILLING).attempts(2);
    trigger: "every 30 s";
    description: "enqueues `billing.reconcile_payment` for purchases whose status T-Bank has not reported lately";
}

/// Queries T-Bank for the status of a purchase and applies it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcilePayment {
    /// Row of `coin_purchases`.
    pub purchase_id: PurchaseId,
    /// Query all payments of the order, not only the payment stored with the purchase.
    #[serde(default)]
    pub whole_order: bool,
}

impl Job for ReconcilePayment {
    const KIND: &'static str = "billing.reconcile_payment";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(4).timeout_secs(100);
    const TRIGGER: &'static str = "`billing.reconcile_due`, contradictory notifications";
    const DESCRIPTION: &'static str = "queries T-Bank for the status of a purchase and applies it";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.purchase_id, self.whole_order))
    }
}

/// Returns the money of a refund through T-Bank. Its coins were withdrawn when it was requested; a definite refusal
/// restores them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundPayment {
    /// UUID of the refund; also T-Bank's `ExternalRequestId`.
    pub refund_id: String,
}

impl Job for RefundPayment {
    const KIND: &'static str = "billing.refund_payment";
    const POLICY: Policy = Policy::for_queue(queues::BILLING)
        .attempts(30)
        .timeout_secs(100)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(30) });
    const TRIGGER: &'static str = "`purchase:refund`";
    const DESCRIPTION: &'static str = "returns the money of a purchase through T-Bank";

    fn dedup_key(&self) -> Option<String> {
        Some(self.refund_id.clone())
    }
}

recurring_job! {
    /// Checks the invariants of subscriptions, and raises an alert on a violation.
    VerifySubscriptions, "billing.verify_subscriptions";
    policy: Policy::for_queue(queues::BILLING).priority(Priority::Low).attempts(3).timeout_secs(600);
    trigger: "hourly";
    description: "checks the invariants of subscriptions, raises an alert on a violation";
}
