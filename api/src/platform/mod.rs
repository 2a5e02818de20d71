//! The platform's API, for all vendors and their widgets.

mod access;
pub(crate) mod backend_settings;
pub(crate) mod deliveries;
pub(crate) mod event_replays;
pub(crate) mod events;
pub(crate) mod flycoins;
pub(crate) mod gateway;
pub(crate) mod handshake;
pub(crate) mod installs;
pub(crate) mod oauth;
pub(crate) mod pauth;
pub(crate) mod purchases;
pub(crate) mod settings;
mod settings_rules;
pub(crate) mod subscriptions;
pub(crate) mod switch;
mod tag;
pub(crate) mod transfer_offers;
pub(crate) mod transfers;
