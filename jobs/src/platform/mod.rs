//! Jobs of the platform.

pub mod billing;
pub mod flycoins;
pub mod lifecycle;
pub mod mail;
pub mod oauth;
pub mod panel;
pub mod subscriptions;
pub mod transfers;
pub mod upkeep;
