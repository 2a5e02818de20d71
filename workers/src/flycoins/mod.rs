//! The ledger of Flycoins.

mod expire_holds;
mod verify_ledger;
