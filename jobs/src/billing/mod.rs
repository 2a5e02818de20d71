//! Money: purchases, the bank, refunds.

mod apply_tbank_notice;
mod open_payment;
mod purchase;
mod reconcile_day;
mod reconcile_due;
mod reconcile_payment;
mod refund;
mod refund_payment;

pub use apply_tbank_notice::ApplyTbankNotice;
pub use open_payment::OpenPayment;
pub use purchase::{Asked, MOST_OPEN, PurchaseRequest, request_purchase};
pub use reconcile_day::ReconcileDay;
pub use reconcile_due::ReconcileDue;
pub use reconcile_payment::ReconcilePayment;
pub use refund::{NotRefunded, RefundRequest, request_refund};
pub use refund_payment::RefundPayment;
