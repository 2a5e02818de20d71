//! Flycoins: wallets, lots, transactions and their entries, holds, idempotency keys.
//!
//! [`apply`] is the only way coins move. It locks the wallet's row, loads the state that the domain needs, and writes
//! the domain's decision in the same transaction: append-only entries, and balances beside them. Under that lock,
//! plain reads are consistent at READ COMMITTED, the level of all sessions of [`crate::connect`]. A transaction that
//! touches several wallets must lock them in the order of their ids.
//!
//! A conditional `UPDATE … WHERE available >= ?` would not be faster than the row lock: lots make every charge read
//! before it writes, and on one hot wallet both variants spend their time waiting for each other's commit. Fewer
//! commits help, so [`WalletBatcher`] executes the commands waiting for one wallet in one transaction (group commit).
//! Measured by `cargo xtask bench -- flycoins`; see `docs/decisions/0010-group-commit-charges-per-wallet.md`.

mod apply;
mod charges;
mod customers;
mod expiry;
mod history;
mod holds;
mod idempotency;
mod lot_locks;
mod lots;
mod pending_events;
mod prices;
mod transactions;
mod verify;
mod wallet_batcher;
mod wallets;
mod welcome_bonus;
mod widget_totals;

pub use apply::{CommandOutcome, LedgerCommand, Posted, apply};
pub use customers::{Customer, find_customer};
pub use expiry::{has_expired, list_wallets_to_sweep};
pub use history::{
    Cursor, HistoryFilter, HistoryOf, TransactionRow, find_transaction, list_spent_by_day, list_transactions,
};
pub use holds::{HoldRow, find_hold_of_widget, list_open_holds};
pub use idempotency::{IdempotencyKey, find_answer, prune_idempotency_keys};
pub use lot_locks::{list_taken, lock_lots};
pub use lots::{list_expiring_lots, list_open_lots};
pub use pending_events::{PendingWalletEvent, WalletEvent, list_pending_events, take_pending_event};
pub use prices::{
    PriceVersion, insert_price_rule, list_price_versions, list_prices_of, list_prices_of_widget,
    next_price_version,
};
pub use verify::{Discrepancy, Verification, rules, verify, verify_snapshot};
pub use wallet_batcher::WalletBatcher;
pub use wallets::{WalletRow, find_wallet, find_wallet_of_install, insert_wallet, take_turn};
pub use welcome_bonus::claim_welcome_bonus;
pub use widget_totals::{
    DayReceived, WalletOwner, list_owners, list_received_of_widget, list_spent_of_widget,
};

use crate::text_column::decode_text;
