//! Transactions: sets of entries that sum to zero. They are append-only.

use chrono::{DateTime, Utc};

use super::LedgerAccount;
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::{MicroCoins, WideSum};
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Kind of a transaction.
    TransactionKind {
        /// Coins were credited: purchased or free.
        Credit = "credit", "Пополнение";
        /// Coins were charged without a hold.
        Charge = "charge", "Списание";
        /// Coins were reserved.
        Hold = "hold", "Резерв";
        /// A hold was captured.
        Capture = "capture", "Списание";
        /// A hold was released by its owner or expired.
        Release = "release", "Возврат резерва";
        /// A charge was refunded, wholly or in part.
        Refund = "refund", "Возврат списания";
        /// Purchased coins were withdrawn because their money is refunded.
        Withdraw = "withdraw", "Возврат покупки";
        /// A withdrawal was reversed because the money was not refunded.
        Restore = "restore", "Отмена возврата покупки";
        /// Unspent coins expired.
        Expire = "expire", "Сгорание";
    }
);

/// One side of a transaction: a positive amount is a credit to the account, a negative one a debit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Account of the wallet, or of the system, that the amount belongs to.
    pub account: LedgerAccount,
    /// The lot; set on a wallet's accounts only.
    pub lot: Option<LotId>,
    /// Signed amount; never zero.
    pub amount: MicroCoins,
}

/// A transaction of one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Generated when the command was applied; later commands refer to it.
    pub id: TransactionId,
    /// Command that wrote the transaction, as the history shows it.
    pub kind: TransactionKind,
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// The hold that the transaction placed or ended.
    pub hold: Option<HoldId>,
    /// The charge that the transaction refunds, or the withdrawal that it reverses.
    pub reverses: Option<TransactionId>,
    /// Time of the transaction.
    pub at: DateTime<Utc>,
}

impl Posting {
    pub(super) fn new(id: TransactionId, kind: TransactionKind, at: DateTime<Utc>) -> Self {
        Self { id, kind, entries: Vec::new(), hold: None, reverses: None, at }
    }

    pub(super) fn wallet(&mut self, account: LedgerAccount, lot: LotId, amount: MicroCoins) {
        self.entries.push(Entry { account, lot: Some(lot), amount });
    }

    pub(super) fn system(&mut self, account: LedgerAccount, amount: MicroCoins) {
        self.entries.push(Entry { account, lot: None, amount });
    }

    /// Whether all entries sum to zero and none of them is zero.
    pub fn is_balanced(&self) -> bool {
        let sum: WideSum = self.entries.iter().map(|entry| entry.amount).sum();
        sum == WideSum(0)
            && !self.entries.is_empty()
            && self.entries.iter().all(|entry| !entry.amount.is_zero())
    }
}
