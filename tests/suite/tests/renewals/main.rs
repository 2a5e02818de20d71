//! Tests of renewals: API, jobs, schedule and a simulated bank with all kinds of faults, on the sandbox's clock.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test panics with the reason"
)]

mod batches;
mod cards;
mod closing_receipts;
mod crashes;
mod crowd;
mod doubts;
mod dunning;
mod harness;
mod late_money;
mod letters;
mod limits;
mod receipts;
mod reconciliation;
mod statements;
mod transfer_backlog;
mod transfer_faults;
mod transfers;
mod year;
