//! Objects of acts that need a second operator, and what the log says of decisions.

use flysk_services::erasure::ERASE;
use flysk_store::admin::pending_acts::PendingAct;

use super::approval_requests::{BONUS, CREDIT, INVOICE_REFUND, MARK_PAID};
use super::transfers::{self, RETURN_BALANCE};

/// Outcome of a request that was carried out.
pub(super) const APPROVED: &str = "approved";

/// Act of declining a request, and of withdrawing it.
pub(super) const DECLINE: &str = "approval.decline";

/// Page of the act's object.
pub(super) fn path_of(act: &PendingAct) -> String {
    format!("/{}s/{}", kind_of(act), act.subject_id)
}

/// Kind of the act's object in the audit log.
pub(super) fn kind_of(act: &PendingAct) -> &'static str {
    match act.action.as_str() {
        CREDIT => "wallet",
        INVOICE_REFUND | MARK_PAID => "invoice",
        BONUS => "subscription",
        ERASE => "account",
        RETURN_BALANCE => "install",
        action if transfers::is_decision(action) => "transfer",
        _ => "purchase",
    }
}
