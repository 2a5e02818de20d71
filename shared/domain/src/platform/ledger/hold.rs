//! Holds: coins set aside for work whose price is not known yet.

use chrono::{DateTime, Utc};

use super::{Account, Entry};
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::MicroCoins;

/// Where a hold stands. Every hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// Its coins are set aside.
    Open,
    /// The work was done and paid; what was not needed went back.
    Captured,
    /// Given back by whoever placed it.
    Released,
    /// Freed because nobody came back in time.
    Expired,
}

impl HoldState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Captured, Self::Released, Self::Expired];

    /// The stable code, as in SQL and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Captured => "captured",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// Reads the code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

/// Coins of one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub lot: LotId,
    /// How many.
    pub amount: MicroCoins,
}

/// Coins set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub id: HoldId,
    /// The transaction that placed it.
    pub placed_by: TransactionId,
    /// How many.
    pub amount: MicroCoins,
    /// Where they came from, in the order of taking.
    pub parts: Vec<Part>,
    /// Where it stands.
    pub state: HoldState,
    /// How many were paid in the end, from the hold or besides; zero unless captured.
    pub captured: MicroCoins,
    /// When it frees itself.
    pub expires_at: DateTime<Utc>,
}

impl Hold {
    /// The parts of a hold, read from the entries that placed it.
    pub fn parts_of(entries: &[Entry]) -> Vec<Part> {
        let held = entries.iter().filter(|entry| entry.account == Account::Held);
        held.filter_map(|entry| Some(Part { lot: entry.lot?, amount: entry.amount })).collect()
    }
}
