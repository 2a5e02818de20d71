//! Holds: coins reserved for work whose final price is not known yet.

use chrono::{DateTime, Utc};

use super::{Entry, LedgerAccount};
use crate::UnknownText;
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::MicroCoins;

/// State of a hold. Every hold reaches a final state: an open one expires.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// The coins are reserved.
    Open,
    /// The work was done and paid; unused coins were released.
    Captured,
    /// Released by its owner, without payment.
    Released,
    /// Released because it was neither captured nor released in time.
    Expired,
}

/// Coins of one lot in a hold or a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LotPart {
    /// Lot from which the coins were taken.
    pub lot: LotId,
    /// Coins taken from the lot, above zero.
    pub amount: MicroCoins,
}

/// A reservation of coins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Chosen by the command that placed the hold.
    pub id: HoldId,
    /// `hold` transaction whose entries moved the coins out of the lots.
    pub placed_by: TransactionId,
    /// Coins reserved.
    pub amount: MicroCoins,
    /// The coins by lot, in the order in which they were taken.
    pub parts: Vec<LotPart>,
    /// Open until a capture, a release or the expiry.
    pub state: HoldState,
    /// Coins charged by the capture, which may exceed the hold; zero unless captured.
    pub captured: MicroCoins,
    /// When the hold expires.
    pub expires_at: DateTime<Utc>,
}

impl Hold {
    /// Reads the parts of a hold from the entries of the transaction that placed it.
    pub fn parts_of(entries: &[Entry]) -> Vec<LotPart> {
        let held = entries.iter().filter(|entry| entry.account == LedgerAccount::Held);
        held.filter_map(|entry| Some(LotPart { lot: entry.lot?, amount: entry.amount })).collect()
    }
}
