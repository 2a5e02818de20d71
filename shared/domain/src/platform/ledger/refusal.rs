//! Reasons for refusing a ledger command.

use crate::money::OutOfRange;

/// The command was refused and changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerRefusal {
    /// The wallet has fewer available coins than the command needs.
    #[error("not enough coins")]
    Insufficient,
    /// An amount is zero or negative.
    #[error("an amount must be above zero")]
    NotPositive,
    /// An amount overflows.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The wallet has no such hold.
    #[error("there is no such hold")]
    UnknownHold,
    /// The hold has ended: captured, released or expired.
    #[error("the hold has ended")]
    HoldEnded,
    /// A lot or hold with this id exists.
    #[error("the id is taken")]
    Taken,
    /// The wallet has no such charge.
    #[error("there is no such charge")]
    UnknownCharge,
    /// The refund exceeds the rest of the charge.
    #[error("more than was charged cannot be refunded")]
    MoreThanCharged,
    /// The wallet has no such lot.
    #[error("there is no such lot")]
    UnknownLot,
    /// The lot would contain more coins than were credited.
    #[error("a lot cannot hold more than it was given")]
    Overfilled,
    /// The expiry is not in the future.
    #[error("the expiry lies in the past")]
    ExpiryInPast,
}

impl LedgerRefusal {
    /// Stable code for API responses and metrics.
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
