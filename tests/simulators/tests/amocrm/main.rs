//! Tests that the simulated amoCRM is as strict as the real one, over HTTP.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod amo;
mod api;
mod crm;
mod crm_hooks;
mod hooks;
mod oauth;
mod pages;
