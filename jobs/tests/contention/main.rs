//! Transactions that lose races: they are run again, as a whole, and no job pays for it with an attempt.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod commits;
mod deadlocks;
mod proxy;
mod workshop;
