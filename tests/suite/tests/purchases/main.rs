//! Buying Flycoins: the real API, page and handlers on a real database against a simulated bank, while
//! everything that can go wrong between us and the bank does.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod api;
mod browser;
mod charging;
mod commands;
mod comparing;
mod crashes;
mod house;
mod lost_forms;
mod neighbours;
mod notices;
mod opening;
mod operator;
mod page;
mod receipts;
mod reconciling;
mod refunds;
mod reviews;
mod rotation;
mod slow_refunds;
mod surroundings;
