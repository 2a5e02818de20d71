//! Commands that change a wallet.

use chrono::{DateTime, Utc};

use super::{LedgerRefusal, LotPart, Origin, Service};
use crate::id::{HoldId, LotId, TransactionId};
use crate::money::MicroCoins;

/// Payment for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was sold; the coins go to its account of spending.
    pub service: Service,
    /// Coins to pay, above zero.
    pub amount: MicroCoins,
}

impl Line {
    /// The sum of the lines. Refused if there are no lines or a line is not above zero.
    pub(super) fn total(lines: &[Self]) -> Result<MicroCoins, LedgerRefusal> {
        if lines.is_empty() || lines.iter().any(|line| !line.amount.is_positive()) {
            return Err(LedgerRefusal::NotPositive);
        }
        Ok(MicroCoins::total(lines.iter().map(|line| line.amount))?)
    }
}

/// A change of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Credits coins as a new lot.
    Credit {
        /// Id of the new lot.
        lot: LotId,
        /// Origin of the coins.
        origin: Origin,
        /// Coins to credit, above zero.
        amount: MicroCoins,
        /// End of the lot's lifetime; `None` if it never expires.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Charges coins at once, without a hold.
    Charge {
        /// Payments by service.
        lines: Vec<Line>,
    },
    /// Reserves coins for future work.
    Hold {
        /// Id of the new hold.
        hold: HoldId,
        /// Coins to reserve, above zero.
        amount: MicroCoins,
        /// When the hold expires and its coins are released.
        expires_at: DateTime<Utc>,
    },
    /// Captures a hold. Unused coins of the hold are released. If the lines exceed the hold, the difference is
    /// taken from the available coins; if those do not suffice, the whole command is refused.
    Capture {
        /// The open hold to capture.
        hold: HoldId,
        /// Payments by service.
        lines: Vec<Line>,
    },
    /// Releases a hold without payment.
    Release {
        /// The open hold to release.
        hold: HoldId,
    },
    /// Refunds a charge, wholly or in part, to the lots that paid it.
    Refund {
        /// The transaction of the charge or capture.
        charge: TransactionId,
        /// Coins to refund; `None` refunds everything that is not refunded yet.
        amount: Option<MicroCoins>,
    },
    /// Withdraws unspent coins of a purchase because its money is refunded.
    Withdraw {
        /// Lots of the purchase, in the order in which coins are taken.
        lots: Vec<LotId>,
        /// Coins to withdraw, above zero.
        amount: MicroCoins,
    },
    /// Reverses a withdrawal because the money was not refunded after all: the coins return to their lots.
    /// The caller ensures that each withdrawal is reversed once.
    Restore {
        /// The transaction of the withdrawal.
        withdrawal: TransactionId,
        /// Coins withdrawn, by lot.
        parts: Vec<LotPart>,
    },
}
