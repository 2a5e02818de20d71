//! Handlers of the platform's jobs.

mod billing;
mod discrepancies;
mod flycoins;
mod keyring;
mod lifecycle;
mod mail;
mod notifications;
mod oauth;
mod panel;
mod subscriptions;
mod transfers;
pub mod upkeep;
