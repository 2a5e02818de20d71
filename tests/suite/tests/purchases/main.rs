//! Tests of buying Flycoins: the real API, hosted page and handlers, with a real database, against a simulated
//! bank with all kinds of faults.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test panics with the reason"
)]

mod api;
mod api_pages;
mod browser;
mod charging;
mod commands;
mod crashes;
mod discrepancies;
mod events;
mod harness;
mod notifications;
mod opening;
mod operator;
mod orphaned_payments;
mod page;
mod panel;
mod receipts;
mod reconciliation;
mod refunds;
mod reviews;
mod rotation;
mod sandbox;
mod sandbox_console;
mod slow_refunds;
mod subscription_page;
mod tenant_isolation;
mod test_env;
mod transfer_page;
