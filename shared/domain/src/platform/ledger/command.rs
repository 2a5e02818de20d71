//! What can be asked of a wallet.

use chrono::{DateTime, Utc};

use super::{Origin, Part, Refusal, Service};
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::MicroCoins;

/// What one service is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub service: Service,
    /// How much.
    pub amount: MicroCoins,
}

impl Line {
    /// The sum of lines, each of which must be above zero.
    pub(super) fn total(lines: &[Self]) -> Result<MicroCoins, Refusal> {
        if lines.is_empty() || lines.iter().any(|line| !line.amount.is_positive()) {
            return Err(Refusal::NotPositive);
        }
        Ok(MicroCoins::total(lines.iter().map(|line| line.amount))?)
    }
}

/// A change of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Coins come in as a new lot.
    Credit {
        /// The lot's id.
        lot: LotId,
        /// Where it comes from.
        origin: Origin,
        /// How many.
        amount: MicroCoins,
        /// Until when they can be spent.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Something is paid at once.
    Charge {
        /// For what.
        lines: Vec<Line>,
    },
    /// Coins are set aside.
    Hold {
        /// The hold's id.
        hold: HoldId,
        /// How many.
        amount: MicroCoins,
        /// When it frees itself.
        expires_at: DateTime<Utc>,
    },
    /// A hold is paid. What the lines leave over goes back; what they need beyond it is taken from the
    /// available coins, or the whole command is refused.
    Capture {
        /// Which.
        hold: HoldId,
        /// For what.
        lines: Vec<Line>,
    },
    /// A hold is given back.
    Release {
        /// Which.
        hold: HoldId,
    },
    /// A charge or a part of it comes back to the lots that paid it.
    Refund {
        /// The transaction that charged.
        charge: TransactionId,
        /// How many; all that has not come back yet if not said.
        amount: Option<MicroCoins>,
    },
    /// Unspent coins of a purchase are taken back because its money is returned.
    Withdraw {
        /// The purchase's lots, in the order of taking.
        lots: Vec<LotId>,
        /// How many.
        amount: MicroCoins,
    },
    /// A withdrawal is undone because the money was not returned after all: the coins come back to their lots.
    /// Whoever asks sees to it that each withdrawal is undone once.
    Restore {
        /// The transaction that withdrew.
        withdrawal: TransactionId,
        /// What it took out of which lots.
        parts: Vec<Part>,
    },
}
