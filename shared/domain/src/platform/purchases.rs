//! Purchases of Flycoins: packages, effects of payment updates, refunds.
//!
//! A purchase is one order at T-Bank with at most one payment. The bank has no idempotency keys, so a failed purchase
//! is never retried under the same id: the buyer starts a new one.

mod contact;
mod package;
mod payment_update;
mod refund;
mod schedule;
mod state;
mod sum;
mod transition;

pub use contact::{Email, InvalidEmail};
pub use package::{InvalidPackage, PackageCode, PackageTerms};
pub use payment_update::{NotificationKey, PaymentUpdate, UpdateSource};
pub use refund::{RefundAllocation, RefundAttempt, RefundStatus, Refundable, Unrefundable};
pub use schedule::{OPEN_TIMEOUT, PAYMENT_LINK_TTL, is_final, next_status_query};
pub use state::{PurchaseState, failure_ru, label_ru};
pub use sum::{COIN_PRICE, InvalidSum, MAX_SUM, MIN_SUM, SUM_STEP, is_sum, package_of_sum};
pub use transition::{Discrepancy, PurchaseSnapshot, Transition};
