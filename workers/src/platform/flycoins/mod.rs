//! Handlers for the ledger of Flycoins.

mod expire_holds;
mod publish_wallet_events;
mod verify_ledger;
