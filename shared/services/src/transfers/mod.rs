//! Payment by bank transfer: invoices of firms, what a statement says, and the money of both.
//!
//! Money counts when it is in the statement. An operation, its allocations and what they pay are written in one transaction,
//! which unique keys and compared versions keep from counting twice.

mod access;
mod act;
mod cover;
mod decide;
mod expire;
mod letters;
mod one_payment;
mod order_coins;
mod receive;
mod request;
mod returned;
mod settle;
mod statement;

pub use access::{AccessError, set_t_api_access};
pub use act::issue_act;
pub use cover::pay_from_balance;
pub use decide::{
    DecideError, Decision, dismiss_operation, match_operation_to_invoice, move_operation_to_balance,
    record_returned_operation,
};
pub use expire::{expire_transfer_invoices, withdraw_transfer_invoice};
pub use letters::queue_letters_of_last_days;
pub use one_payment::{PayByTransfer, pay_by_transfer};
pub use order_coins::{CoinOrder, find_repeated_coin_order, order_coins_by_transfer};
pub use receive::{MatchOutcome, match_operation};
pub use request::{NewTransferInvoice, RequestOutcome, RequestRefusal, request_transfer_invoice};
pub use returned::{ReturnBalanceError, ReturnedBalance, record_returned_balance};
pub use statement::{ReadOperation, store_operation};

use flysk_crypto::{Keyring, KeyringError};
use flysk_domain::Clock;
use flysk_store::{Contention, StoreError};

use crate::purchases::ApplyPaymentUpdateError;
pub use crate::purchases::TRANSFER_TERMINAL;

/// Encryption and time, which every step needs.
#[derive(Debug, Clone, Copy)]
pub struct TransferContext<'a> {
    /// Seals addresses.
    pub keyring: &'a Keyring,
    /// Stamps rows and ids.
    pub clock: &'a dyn Clock,
}

/// A step cannot be done. Nothing is written: the caller's transaction has to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A value cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The coins of a purchase cannot be credited.
    #[error(transparent)]
    Credit(#[from] ApplyPaymentUpdateError),
    /// The database failed, or another transaction changed the same rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Contention for TransferError {
    fn is_contended(&self) -> bool {
        match self {
            Self::Credit(ApplyPaymentUpdateError::Store(error)) | Self::Store(error) => error.is_contended(),
            Self::Keyring(_) | Self::Credit(_) => false,
        }
    }
}

impl Contention for DecideError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Transfer(error) if error.is_contended())
    }
}
