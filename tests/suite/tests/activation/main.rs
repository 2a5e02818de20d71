//! Activation of FlySense through its bots in Telegram and MAX, which are simulated over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test panics with the reason"
)]

mod answers;
mod chat_page;
mod contacts;
mod crashes;
mod harness;
mod hooks;
mod identities;
mod installs;
mod letters;
mod links;
mod notices;
mod people;
mod sending;
mod subscriptions;
