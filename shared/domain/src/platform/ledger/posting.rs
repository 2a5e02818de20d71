//! Transactions: entries that sum to zero. Once written they are never changed.

use chrono::{DateTime, Utc};

use super::Account;
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::{MicroCoins, WideSum};

/// What a transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionKind {
    /// Coins came in: bought or given.
    Credit,
    /// Paid at once.
    Charge,
    /// Set aside.
    Hold,
    /// A hold was paid.
    Capture,
    /// A hold was given back, by its owner or by time.
    Release,
    /// A charge or a part of it came back.
    Refund,
    /// Bought coins were taken back because their money was returned.
    Withdraw,
    /// Coins that were taken back returned, because their money was not returned after all.
    Restore,
    /// Coins were not spent in time.
    Expire,
}

impl TransactionKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Credit,
        Self::Charge,
        Self::Hold,
        Self::Capture,
        Self::Release,
        Self::Refund,
        Self::Withdraw,
        Self::Restore,
        Self::Expire,
    ];

    /// The stable code, as in SQL and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Charge => "charge",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Withdraw => "withdraw",
            Self::Restore => "restore",
            Self::Expire => "expire",
        }
    }

    /// What people read, in Russian.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Credit => "Пополнение",
            Self::Charge | Self::Capture => "Списание",
            Self::Hold => "Резерв",
            Self::Release => "Возврат резерва",
            Self::Refund => "Возврат списания",
            Self::Withdraw => "Возврат покупки",
            Self::Restore => "Отмена возврата покупки",
            Self::Expire => "Сгорание",
        }
    }

    /// Reads the code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// One movement on one account; positive is in, negative is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub account: Account,
    /// Of which lot; named on the wallet's accounts, and only there.
    pub lot: Option<LotId>,
    /// How much; never zero.
    pub amount: MicroCoins,
}

/// A transaction of one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Which.
    pub id: TransactionId,
    /// What it did.
    pub kind: TransactionKind,
    /// The movements, in order.
    pub entries: Vec<Entry>,
    /// The hold it placed or ended.
    pub hold: Option<HoldId>,
    /// The charge it gave back, or the withdrawal it undid.
    pub reverses: Option<TransactionId>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Posting {
    pub(super) fn new(id: TransactionId, kind: TransactionKind, at: DateTime<Utc>) -> Self {
        Self { id, kind, entries: Vec::new(), hold: None, reverses: None, at }
    }

    pub(super) fn wallet(&mut self, account: Account, lot: LotId, amount: MicroCoins) {
        self.entries.push(Entry { account, lot: Some(lot), amount });
    }

    pub(super) fn system(&mut self, account: Account, amount: MicroCoins) {
        self.entries.push(Entry { account, lot: None, amount });
    }

    /// All entries sum to zero and none of them is zero.
    pub fn is_balanced(&self) -> bool {
        let sum: WideSum = self.entries.iter().map(|entry| entry.amount).sum();
        sum == WideSum(0)
            && !self.entries.is_empty()
            && self.entries.iter().all(|entry| !entry.amount.is_zero())
    }

    /// What it did to one account.
    pub fn change_of(&self, account: &Account) -> WideSum {
        self.entries.iter().filter(|entry| entry.account == *account).map(|entry| entry.amount).sum()
    }
}
