//! The platform as vendors, widgets and amoCRM meet it: the real API and the real handlers on a real
//! database, only the outside is simulated.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod bodies;
mod callback;
mod charges;
mod crashes;
mod defects;
mod document;
mod doors;
mod events;
mod example_secrets;
mod flycoins_guide;
mod foreign_hosts;
mod gateway;
mod gateway_bodies;
mod holds;
mod house;
mod install_flood;
mod integrate;
mod ledger_jobs;
mod lifecycle;
mod made_up_codes;
mod memory;
mod operations;
mod races;
mod refresh_all;
mod refusals;
mod rotation;
mod secrecy;
mod settings;
mod storm;
mod strangers;
mod till;
mod traps;
mod vault;
mod wallets;
