//! The ledger of Flycoins: double entry, append-only. The rules are here; `flysk-store` executes them.
//!
//! A [`Wallet`] is the loaded state of one customer. A [`Command`] either changes it and returns a [`Posting`],
//! whose entries sum to zero, or is refused and changes nothing. Coins are kept in [`Lot`]s that record their
//! origin, so that a refund returns coins to the lots that paid.

mod account;
mod charge;
mod command;
pub mod forecast;
mod hold;
mod lot;
mod posting;
pub mod price;
pub mod proof;
mod refusal;
pub mod statistics;
mod wallet;

pub use account::{InvalidService, LedgerAccount, Service, UnknownAccount};
pub use charge::{Charge, ChargeLine, ChargePart};
pub use command::{Command, Line};
pub use hold::{Hold, HoldState, LotPart};
pub use lot::{Lot, Origin, REFUND_GRACE};
pub use posting::{Entry, Posting, TransactionKind};
pub use refusal::LedgerRefusal;
pub use wallet::Wallet;
