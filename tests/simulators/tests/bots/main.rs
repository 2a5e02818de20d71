//! The simulators of Telegram and MAX with the clients of Flysk, over real HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test panics with the reason"
)]

mod hook;
mod judges;
mod max;
mod telegram;
