//! Invoices of subscriptions: list, the page of one, marking as paid, voiding, clearing a payment's lock, refund, closing receipt.

mod acts;
mod list;
mod receipt;
mod refund;
mod show;

pub(super) use acts::{clear_lock, mark_paid, mark_paid_in, void};
pub(crate) use list::Invoices;
pub(super) use receipt::decide_receipt;
pub(super) use refund::{form_of as refund_form, refund, refund_in};
pub(super) use show::show;
