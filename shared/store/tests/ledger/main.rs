//! The ledger on a real server: decisions of the domain are written completely or not at all.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod history;
mod invariants;
mod lane_groups;
mod ledger_fixture;
mod stress;
mod used_keys;
mod wallet_batcher;
mod wallet_lanes;
mod whole_verification;
