//! The ledger of Flycoins.

mod expire_holds;
mod verify_ledger;

pub use expire_holds::ExpireHolds;
pub use verify_ledger::VerifyLedger;
