//! Transactions that lose a race are repeated as a whole, without using an attempt of their job.

#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

mod commits;
mod deadlocks;
mod fixture;
mod proxy;
