//! Handlers of the platform's jobs.

pub(crate) mod billing;
mod flycoins;
pub(crate) mod lifecycle;
pub(crate) mod mail;
mod oauth;
mod panel;
mod subscriptions;
mod transfers;
pub mod upkeep;
