//! Subscriptions: due steps, payments of invoices, refunds, closing receipts.

use std::time::Duration;

use chrono::NaiveDate;
use flysk_domain::id::{InvoiceId, InvoicePaymentId, ReceiptId, SubscriptionId};
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Delays of a job that waits for the bank to answer at all.
const BANK_BACKOFF: Backoff = Backoff::Fixed(&[
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
]);

recurring_job! {
    /// Finds what is due in subscriptions: steps, charges, questions to the bank, closing receipts.
    SubscriptionsDue, "billing.subscriptions_due";
    policy: Policy::for_queue(queues::BILLING).attempts(2);
    trigger: "every 30 s";
    description: "enqueues a job for each subscription, charge, status query and closing receipt that is due";
}

recurring_job! {
    /// Announces new prices to the customers of running price campaigns.
    AnnouncePrices, "billing.announce_prices";
    policy: Policy::for_queue(queues::BILLING).attempts(2).timeout_secs(300);
    trigger: "every 5 minutes";
    description: "notifies customers of running price campaigns of their new prices, and records each notice";
}

/// Performs the due step of a subscription: renews, reminds, ends a trial, expires.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdvanceSubscription {
    /// Row of `subscriptions`.
    pub subscription_id: SubscriptionId,
}

impl Job for AdvanceSubscription {
    const KIND: &'static str = "billing.advance_subscription";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(8);
    const TRIGGER: &'static str = "`billing.subscriptions_due`";
    const DESCRIPTION: &'static str = "performs the due step of a subscription: writes the invoice of the next period, reminds, ends a trial, expires";

    fn dedup_key(&self) -> Option<String> {
        Some(self.subscription_id.to_string())
    }
}

/// Charges the saved card for an invoice.
///
/// The intent is stored before `Init` and before `Charge`. A run that finds an intent asks the bank first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChargeInvoice {
    /// Row of `subscription_invoices`.
    pub invoice_id: InvoiceId,
}

impl Job for ChargeInvoice {
    const KIND: &'static str = "billing.charge_invoice";
    const POLICY: Policy =
        Policy::for_queue(queues::BILLING).attempts(6).timeout_secs(110).backoff(BANK_BACKOFF);
    const TRIGGER: &'static str = "`billing.subscriptions_due`, a new card";
    const DESCRIPTION: &'static str = "charges the saved card for an invoice: `Init`, then `Charge`";

    fn dedup_key(&self) -> Option<String> {
        Some(self.invoice_id.to_string())
    }
}

/// Creates the payment of an invoice at T-Bank and stores the URL of its form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenInvoiceForm {
    /// Row of `invoice_payments`.
    pub attempt_id: InvoicePaymentId,
}

impl Job for OpenInvoiceForm {
    const KIND: &'static str = "billing.open_invoice_form";
    const POLICY: Policy = Policy::for_queue(queues::BILLING)
        .priority(Priority::High)
        .attempts(6)
        .timeout_secs(110)
        .backoff(BANK_BACKOFF);
    const TRIGGER: &'static str = "a payer who wants to pay an invoice";
    const DESCRIPTION: &'static str = "creates the payment of an invoice and its form at T-Bank";

    fn dedup_key(&self) -> Option<String> {
        Some(self.attempt_id.to_string())
    }
}

/// Queries an attempt at T-Bank, applies the answer, and cancels a payment that must not be paid any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryInvoicePayment {
    /// Row of `invoice_payments`.
    pub attempt_id: InvoicePaymentId,
}

impl Job for QueryInvoicePayment {
    const KIND: &'static str = "billing.query_invoice_payment";
    const POLICY: Policy =
        Policy::for_queue(queues::BILLING).attempts(4).timeout_secs(100).backoff(BANK_BACKOFF);
    const TRIGGER: &'static str =
        "`billing.subscriptions_due`, contradictory notifications, withdrawn attempts";
    const DESCRIPTION: &'static str =
        "queries the payment of an invoice at T-Bank; cancels one that must not be paid any more";

    fn dedup_key(&self) -> Option<String> {
        Some(self.attempt_id.to_string())
    }
}

/// Returns money of an invoice's payment through T-Bank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundInvoicePayment {
    /// UUID of the refund; also T-Bank's `ExternalRequestId`.
    pub refund_id: String,
}

impl Job for RefundInvoicePayment {
    const KIND: &'static str = "billing.refund_invoice_payment";
    const POLICY: Policy = Policy::for_queue(queues::BILLING)
        .attempts(30)
        .timeout_secs(100)
        .backoff(Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_mins(30) });
    const TRIGGER: &'static str = "an operator's refund, money that arrived too late";
    const DESCRIPTION: &'static str = "returns money of an invoice's payment through T-Bank";

    fn dedup_key(&self) -> Option<String> {
        Some(self.refund_id.clone())
    }
}

/// Registers the closing receipt of a prepaid invoice at the end of its period.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendClosingReceipt {
    /// Row of `invoice_receipts`.
    pub receipt_id: ReceiptId,
}

impl Job for SendClosingReceipt {
    const KIND: &'static str = "billing.send_closing_receipt";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(8).timeout_secs(100);
    const TRIGGER: &'static str = "`billing.subscriptions_due`, at the end of a paid period";
    const DESCRIPTION: &'static str = "registers the closing receipt of a prepaid invoice (54-FZ)";

    fn dedup_key(&self) -> Option<String> {
        Some(self.receipt_id.to_string())
    }
}

/// Compares the attempts to pay invoices that last changed on one day, or were paid in the 30 days before, with T-Bank, page by page,
/// and stores every discrepancy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconcileInvoices {
    /// Day to compare, UTC; `None`: the day before the run.
    pub day: Option<NaiveDate>,
    /// Last attempt of the previous page.
    #[serde(default)]
    pub after: Option<InvoicePaymentId>,
}

impl Job for ReconcileInvoices {
    const KIND: &'static str = "billing.reconcile_invoices";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(8).timeout_secs(600);
    const TRIGGER: &'static str = "daily at 04:40 UTC";
    const DESCRIPTION: &'static str =
        "compares payments of invoices and refunds of the last 30 days with T-Bank, stores discrepancies";

    fn dedup_key(&self) -> Option<String> {
        let day = self.day.map_or_else(|| "yesterday".to_owned(), |day| day.to_string());
        Some(format!("{day}:{}", self.after.map(|id| id.to_string()).unwrap_or_default()))
    }
}

/// Reads the users of an account: names those who have seats, and frees seats of users whom it has blocked or deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FreeBlockedSeats {
    /// Row of `subscriptions`.
    pub subscription_id: SubscriptionId,
}

impl Job for FreeBlockedSeats {
    const KIND: &'static str = "billing.free_blocked_seats";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(3).timeout_secs(100);
    const TRIGGER: &'static str = "a user who takes a seat or gets none, 10 minutes later";
    const DESCRIPTION: &'static str = "reads the account's users in amoCRM: names those with seats, and frees seats of blocked or deleted ones";

    fn dedup_key(&self) -> Option<String> {
        Some(self.subscription_id.to_string())
    }
}
