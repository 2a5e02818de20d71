//! Why a command changes nothing.

use crate::money::OutOfRange;

/// The command was refused and changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are not enough coins to spend.
    #[error("not enough coins")]
    Insufficient,
    /// Amounts are above zero.
    #[error("an amount must be above zero")]
    NotPositive,
    /// An amount is beyond what can be counted.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// No such hold in this wallet.
    #[error("there is no such hold")]
    UnknownHold,
    /// The hold has ended: captured, released or expired.
    #[error("the hold has ended")]
    HoldEnded,
    /// The id is taken.
    #[error("the id is taken")]
    Taken,
    /// No such charge in this wallet.
    #[error("there is no such charge")]
    UnknownCharge,
    /// More would come back than was charged.
    #[error("more than was charged cannot be refunded")]
    MoreThanCharged,
    /// No such lot in this wallet.
    #[error("there is no such lot")]
    UnknownLot,
    /// More would come back to a lot than was in it.
    #[error("a lot cannot hold more than it was given")]
    Overfilled,
    /// The moment lies in the past.
    #[error("the expiry lies in the past")]
    ExpiryInPast,
}

impl Refusal {
    /// Stable code for answers and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Insufficient => "insufficient_balance",
            Self::NotPositive => "amount_not_positive",
            Self::OutOfRange(_) => "amount_out_of_range",
            Self::UnknownHold => "unknown_hold",
            Self::HoldEnded => "hold_ended",
            Self::Taken => "id_taken",
            Self::UnknownCharge => "unknown_charge",
            Self::MoreThanCharged => "more_than_charged",
            Self::UnknownLot => "unknown_lot",
            Self::Overfilled => "lot_overfilled",
            Self::ExpiryInPast => "expiry_in_past",
        }
    }
}
