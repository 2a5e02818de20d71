//! Purchases of Flycoins and their refunds.

mod apply_payment_update;
mod create;
mod refund;
mod resolve_review;
mod transfer_terminal;

pub use apply_payment_update::{
    ApplyPaymentUpdateError, PaymentContext, action_label, apply_payment_update, credit_transferred,
};
pub(crate) use create::replayed_or_key_reused;
pub use create::{
    CreatePurchaseError, CreatePurchaseOutcome, MAX_OPEN_PURCHASES, PurchaseItem, PurchaseOrder,
    create_purchase, find_repeated_purchase,
};
pub use refund::{RefundError, RefundRequest, request_refund};
pub use resolve_review::{ResolveReviewError, ResolvedReview, resolve_review};
pub use transfer_terminal::TRANSFER_TERMINAL;
