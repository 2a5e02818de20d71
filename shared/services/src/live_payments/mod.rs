//! Payments of an invoice that may still take money, and the card that can be charged: what subscriptions read and end of them.
//!
//! An invoice has one live payment: a form, a charge, or a transfer invoice (0033).

mod attempts;
mod chargeable;
mod transfers;

pub(crate) use attempts::{is_payable_form, withdraw_attempt, withdraw_form};
pub use attempts::{unlink_card, withdraw};
pub use chargeable::find_chargeable_card;
pub(crate) use chargeable::{find_card_for, find_offer_for, is_chargeable_by};
pub(crate) use transfers::{EXPIRED, TRANSFER_MEANS, end_invoice, withdraw_waiting};
