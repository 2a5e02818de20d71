//! Flycoins: wallets, lots, transactions and their entries, holds, idempotency keys.
//!
//! [`apply`] is the only way coins move. It locks the wallet's row, loads what the domain needs to decide,
//! and writes what it decided in the same transaction: append-only entries, and the balances beside them.
//! Under that lock plain reads are true at READ COMMITTED, which every session of ours runs at; two
//! transactions that touch several wallets must take them in the order of their ids.
//!
//! The row lock rather than a conditional `UPDATE … WHERE available >= ?`: lots make every charge read before
//! it writes, and on one hot wallet both spend their time waiting for each other's commit. What helps is
//! fewer commits, so [`Teller`] carries out what waits for one wallet in one transaction. Measured by
//! `cargo xtask bench -- flycoins`; see `docs/decisions/0010-charges-in-batches.md`.

mod apply;
mod charges;
mod customers;
mod expiry;
mod history;
mod holds;
mod idempotency;
mod lots;
mod parts;
mod prices;
mod teller;
mod transactions;
mod verify;
mod wallets;
mod welcome;

pub use apply::{Answer, Instruction, Outcome, apply};
pub use customers::{Customer, find_customer};
pub use expiry::{has_something_over, list_wallets_to_sweep};
pub use history::{
    Cursor, HistoryFilter, TransactionRow, find_transaction, list_spent_by_day, list_transactions,
};
pub use holds::{HoldRow, find_hold, find_hold_of_widget};
pub use idempotency::{IdempotencyKey, find_answer, prune_idempotency_keys};
pub use lots::{list_expiring_lots, list_open_lots};
pub use parts::{list_taken, lock_lots};
pub use prices::{
    PriceVersion, insert_price_rule, list_price_versions, list_prices_of, list_prices_of_widget,
    next_price_version,
};
pub use teller::Teller;
pub use verify::{Discrepancy, Proof, prove, rules, verify};
pub use wallets::{WalletRow, find_wallet, find_wallet_of_install, insert_wallet};
pub use welcome::claim_welcome_bonus;

use std::str::FromStr;

use crate::StoreError;

/// Reads a column's text.
fn read<T: FromStr<Err: std::fmt::Display>>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|reason: T::Err| StoreError::Corrupt { what, reason: reason.to_string() })
}

/// Reads a column's code.
fn known<T>(what: &'static str, code: &str, found: Option<T>) -> Result<T, StoreError> {
    found.ok_or_else(|| StoreError::Corrupt { what, reason: format!("`{code}` is unknown") })
}
