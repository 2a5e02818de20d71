//! Payment by bank transfer: sending invoices, reading statements.

use std::time::Duration;

use flysk_domain::id::{TransferInvoiceId, VendorId};
use flysk_domain::platform::mail::TransferLetter;
use flysk_queue::{Backoff, Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::declare::recurring_job;
use crate::queues;

/// Delays of a job that waits for the bank to answer at all.
const BANK_BACKOFF: Backoff = Backoff::Fixed(&[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_mins(30),
]);

/// Has the bank send an invoice.
///
/// The bank has no idempotency: the attempt is stored before the request, and an invoice with a stored attempt is never sent
/// again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendTransferInvoice {
    /// Row of `transfer_invoices`.
    pub transfer_invoice_id: TransferInvoiceId,
}

impl Job for SendTransferInvoice {
    const KIND: &'static str = "transfers.send_invoice";
    const POLICY: Policy = Policy::for_queue(queues::BILLING)
        .priority(Priority::High)
        .attempts(8)
        .timeout_secs(100)
        .backoff(BANK_BACKOFF);
    const TRIGGER: &'static str = "a request for an invoice, `transfers.due`";
    const DESCRIPTION: &'static str = "has T-Bank send an invoice to a firm, once";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transfer_invoice_id.to_string())
    }
}

/// Fetches the bank's document of an invoice, whose link ends after ten days.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchTransferDocument {
    /// Row of `transfer_invoices`.
    pub transfer_invoice_id: TransferInvoiceId,
}

impl Job for FetchTransferDocument {
    const KIND: &'static str = "transfers.fetch_document";
    const POLICY: Policy = Policy::for_queue(queues::BILLING)
        .priority(Priority::Low)
        .attempts(12)
        .timeout_secs(100)
        .backoff(BANK_BACKOFF);
    const TRIGGER: &'static str = "an invoice that T-Bank has sent, `transfers.due`";
    const DESCRIPTION: &'static str =
        "keeps T-Bank's document of an invoice in object storage, and forgets its link";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transfer_invoice_id.to_string())
    }
}

/// Queries an invoice at the bank.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryTransferInvoice {
    /// Row of `transfer_invoices`.
    pub transfer_invoice_id: TransferInvoiceId,
}

impl Job for QueryTransferInvoice {
    const KIND: &'static str = "transfers.query_invoice";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(4).timeout_secs(100);
    const TRIGGER: &'static str = "`transfers.due`";
    const DESCRIPTION: &'static str = "queries an invoice at T-Bank; reads the statement if it is paid";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transfer_invoice_id.to_string())
    }
}

/// Sends a letter about an invoice, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendTransferLetter {
    /// Row of `transfer_invoices`.
    pub transfer_invoice_id: TransferInvoiceId,
    /// Decides subject and text.
    pub letter: TransferLetter,
}

impl Job for SendTransferLetter {
    const KIND: &'static str = "transfers.send_letter";
    const POLICY: Policy = queues::LETTER_POLICY;
    const TRIGGER: &'static str = "a transfer invoice that was written, is paid, or ends tomorrow";
    const DESCRIPTION: &'static str =
        "sends a letter about a transfer invoice to the address that it was asked for with";

    fn dedup_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.transfer_invoice_id, self.letter))
    }
}

/// Issues the act of a paid invoice on its day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssueAct {
    /// Row of `transfer_invoices`.
    pub transfer_invoice_id: TransferInvoiceId,
}

impl Job for IssueAct {
    const KIND: &'static str = "transfers.issue_act";
    const POLICY: Policy = Policy::for_queue(queues::BILLING).attempts(8);
    const TRIGGER: &'static str =
        "coins that were paid by transfer, `transfers.due` on the day after a period";
    const DESCRIPTION: &'static str =
        "gives the act of a paid invoice the next number of its seller, and stores its content";

    fn dedup_key(&self) -> Option<String> {
        Some(self.transfer_invoice_id.to_string())
    }
}

/// Reads the statement of a vendor's account, and matches its operations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadStatement {
    /// Row of `vendors`.
    pub vendor_id: VendorId,
}

impl Job for ReadStatement {
    const KIND: &'static str = "transfers.read_statement";
    const POLICY: Policy =
        Policy::for_queue(queues::BILLING).attempts(8).timeout_secs(900).backoff(BANK_BACKOFF);
    const TRIGGER: &'static str = "`transfers.read_statements`, an invoice that T-Bank calls paid";
    const DESCRIPTION: &'static str = "reads the statement of a vendor's account since three days before the last reading, and matches payments";

    fn dedup_key(&self) -> Option<String> {
        Some(self.vendor_id.to_string())
    }
}

recurring_job! {
    /// Enqueues the reading of every vendor's statement.
    ReadStatements, "transfers.read_statements";
    policy: Policy::for_queue(queues::BILLING).attempts(2);
    trigger: "every 10 minutes";
    description: "enqueues `transfers.read_statement` for each vendor with access to the T-API";
}

recurring_job! {
    /// Finds invoices that are to be sent or asked about, and acts that are due.
    TransfersDue, "transfers.due";
    policy: Policy::for_queue(queues::BILLING).attempts(2);
    trigger: "every 5 minutes";
    description: "enqueues a job for each transfer invoice that is to be sent or asked about, and for each act that is due";
}

recurring_job! {
    /// Ends invoices that were not paid in time, or whose subject was paid otherwise.
    ExpireTransferInvoices, "transfers.expire_invoices";
    policy: Policy::for_queue(queues::BILLING).attempts(3).timeout_secs(300);
    trigger: "hourly";
    description: "ends transfer invoices past their due day; what arrived of them goes to the firm's balance";
}
