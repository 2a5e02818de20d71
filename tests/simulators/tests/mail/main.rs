//! The mail server, and the client of ours that hands letters over to it.

#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

mod client;
mod dialogue;
