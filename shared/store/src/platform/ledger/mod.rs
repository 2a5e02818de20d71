//! Flycoins: wallets, lots, transactions and their entries, holds, idempotency keys.
//!
//! [`apply`] is the only way coins move. It locks the wallet's row, loads the state that the domain needs, and writes
//! the domain's decision in the same transaction: append-only entries, and balances beside them. Under that lock,
//! plain reads are consistent at READ COMMITTED, the level of all sessions of [`crate::connect`]. A transaction that
//! touches several wallets must lock them in the order of their ids.
//!
//! A conditional `UPDATE … WHERE available >= ?` would not be faster than the row lock: lots make every charge read
//! before it writes, and on one hot wallet both variants spend their time waiting for each other's commit. Fewer
//! commits and statements help, so [`WalletBatcher`] executes the commands that wait in one transaction for many wallets.
//! Measured by `cargo xtask bench -- flycoins`; see `docs/decisions/0053-batch-wallets-in-lanes.md`,
//! `docs/decisions/0074-write-a-table-by-one-statement.md` and `docs/decisions/0082-write-less-per-charge.md`.

mod apply;
mod changed;
mod charges;
mod command;
mod customers;
mod expiry;
mod history;
mod holds;
mod idempotency;
mod lane_queue;
mod lot_locks;
mod lots;
mod pending_events;
mod prices;
mod round_robin;
mod session;
mod transactions;
mod verification;
mod wallet_batcher;
mod wallet_commits;
mod wallets;
mod welcome_bonus;
mod widget_totals;

pub use apply::apply;
pub use charges::find_refunded;
pub use command::{CommandOutcome, IdempotencyKey, LedgerCommand, Posted};
pub use customers::{Customer, find_customer};
pub use expiry::{has_expired, list_wallets_to_sweep};
pub use history::{
    Cursor, HistoryFilter, HistoryOf, TransactionRow, find_transaction, list_spent_by_day, list_transactions,
};
pub use holds::{HoldRow, find_hold_of_widget, list_open_holds};
pub use idempotency::{find_answer, prune_idempotency_keys};
pub use lot_locks::{list_taken, lock_lots};
pub use lots::{list_expiring_lots, list_open_lots};
pub use pending_events::{PendingWalletEvent, WalletEvent, list_pending_events, take_pending_event};
pub use prices::{
    PriceVersion, insert_price_rule, list_price_versions, list_price_versions_of, list_prices_of,
    list_prices_of_widget, next_price_version,
};
pub use verification::{
    Comparison, Discrepancy, LedgerRange, PROVEN_RANGE, Proof, Verification, add_proven_sums, check_range,
    compare_with_proofs, find_last_proof, find_range_end, forget_proofs, insert_proof, lock_last_proof,
    mark_compared, read_range, rules, verify,
};
pub use wallet_batcher::WalletBatcher;
pub use wallets::{
    WalletRow, find_wallet, find_wallet_of_install, insert_wallet, list_wallets_of_installs,
    write_lock_wallet,
};
pub use welcome_bonus::claim_welcome_bonus;
pub use widget_totals::{
    DayReceived, WalletOwner, list_owners, list_received_of_widget, list_spent_of_widget,
};

use crate::text_column::decode_text;
