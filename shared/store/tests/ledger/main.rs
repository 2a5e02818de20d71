//! The ledger on a real server: what the domain decides is written whole or not at all.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod bank;
mod books;
mod history;
mod storm;
mod teller;
