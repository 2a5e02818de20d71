//! The simulated amoCRM is as strict as the real one, seen from the outside over HTTP.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod amo;
mod api;
mod hooks;
mod oauth;
