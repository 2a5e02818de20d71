//! Verification of the ledger, of what is new and of all of it.
#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

mod fixture;
mod proving;
mod tampering;
