//! Subscriptions from trial to end, over a real database, with the clock moved by hand.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics with the reason")]

mod attempts;
mod bank;
mod buying;
mod by_transfer;
mod campaigns;
mod contacts;
mod forms;
mod late_money;
mod operators;
mod pauses;
mod permits;
mod races;
mod refunded_periods;
mod reminders;
mod renewing;
mod seats;
mod statement;
mod statement_faults;
mod statement_histories;
mod world;
