//! The ledger of Flycoins: double entry, append-only, decided here and carried out by the store.
//!
//! A [`Wallet`] is what the store has loaded of one customer. A [`Command`] either changes it and gives a
//! [`Posting`], whose entries sum to zero, or is refused and changes nothing. Coins sit in [`Lot`]s that
//! remember where they came from, so that a refund finds its way back.

mod account;
mod charge;
mod command;
pub mod forecast;
mod hold;
mod lot;
mod posting;
pub mod price;
mod refusal;
pub mod statistics;
mod wallet;

pub use account::{Account, InvalidService, Service, UnknownAccount};
pub use charge::{Charge, ChargeLine, ChargePart};
pub use command::{Command, Line};
pub use hold::{Hold, HoldState, Part};
pub use lot::{Lot, Origin, REFUND_GRACE};
pub use posting::{Entry, Posting, TransactionKind};
pub use refusal::Refusal;
pub use wallet::Wallet;
