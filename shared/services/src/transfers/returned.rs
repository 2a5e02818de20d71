//! Money of balances that a person has sent back to its firm.
//!
//! Flysk makes no payment orders. What it does not know of it would give to the next invoice, so a person records each order that
//! returns a balance.

use flysk_domain::Clock;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::PaymentOrder;
use flysk_queue::UnitOfWork;
use flysk_store::platform::transfers::{self, BalanceOwner};
use flysk_store::{Contention, StoreError};

/// A return cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReturnBalanceError {
    /// The amount is not above zero.
    #[error("the amount must be above zero")]
    Amount,
    /// The balance has less.
    #[error("the firm's balance has less")]
    TooMuch,
    /// The order was recorded before.
    #[error("this payment order was recorded before")]
    Known,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Contention for ReturnBalanceError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// A payment order that has returned money of a balance.
#[derive(Debug, Clone, Copy)]
pub struct ReturnedBalance<'a> {
    /// Vendor, install and INN.
    pub owner: BalanceOwner,
    /// Returned sum.
    pub kopecks: Kopecks,
    /// Number and day of the order in the seller's bank.
    pub order: &'a PaymentOrder,
    /// `operator:<name>`; at most 80 characters.
    pub by: &'a str,
    /// Why; at most 500 characters with the order.
    pub reason: &'a str,
}

/// Records that money of a balance is back with its firm: no invoice takes it any more. An order counts once.
///
/// # Errors
///
/// See [`ReturnBalanceError`]. Nothing is written: the caller's transaction has to be rolled back.
pub async fn record_returned_balance(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    returned: ReturnedBalance<'_>,
) -> Result<(), ReturnBalanceError> {
    if !returned.kopecks.is_positive() {
        return Err(ReturnBalanceError::Amount);
    }
    let key = format!("{}:{}", returned.owner.vendor, returned.order.key());
    let reason = returned.order.with_reason(returned.reason);
    let (taken, decision) = ((returned.kopecks, key.as_str()), (returned.by, reason.as_str()));
    match transfers::take_returned(unit, returned.owner, taken, decision, clock.now()).await {
        Err(StoreError::Duplicate { key }) if key == "firm_balance_entries_once" => {
            Err(ReturnBalanceError::Known)
        }
        Err(StoreError::WrongState { .. }) => Err(ReturnBalanceError::TooMuch),
        other => Ok(other?),
    }
}
