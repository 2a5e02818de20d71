//! Handlers for subscriptions: due steps, charges, forms, questions to the bank, refunds, closing receipts.

mod advance;
mod announce_prices;
mod bank_answer;
mod charge;
mod due;
mod earlier;
mod form;
mod free_blocked_seats;
mod missing_card;
mod query;
mod rebill;
mod receipt;
mod receipts;
mod reconcile;
mod refund;
mod told_before;

pub(crate) use bank_answer::apply;
