//! Payments of subscription invoices: attempts at the bank, saved cards, refunds.
//!
//! Lock order: the subscription, its invoice, the attempt. Consents and cards are locked under the subscription's lock, in any order.

mod begin;
mod pay;
mod receipt_facts;
mod refund;
mod removed_terminal;
mod resolve_review;
mod update;

pub use begin::{
    BegunCharge, FormOutcome, FormRequest, begin_charge, begin_charge_of, open_form, permit_charge,
    postpone_charge,
};
pub use pay::{PayRequest, RenewalOffer, pay_invoice, renewal_offer};
pub use receipt_facts::ReceiptFacts;
pub use refund::{RefundOrder, RequestRefundError, refund_refused, request_refund};
pub use removed_terminal::report_removed_terminal;
pub use resolve_review::{ResolveReviewError, ResolvedReview, resolve_review};
pub use update::{ApplyUpdateError, apply_to_attempt, apply_update, ignore_update, step_label};

pub use crate::live_payments::{find_chargeable_card, unlink_card, withdraw};
