//! Lots: coins of one origin that expire together.

use chrono::{DateTime, Duration, Utc};

use super::{LedgerAccount, LedgerRefusal};
use crate::id::LotId;
use crate::money::MicroCoins;
use crate::text_enum::labeled_enum;

/// How long refunded coins can be spent if their lot has expired in the meantime: a failure on the platform's
/// side must not cost the customer coins.
pub const REFUND_GRACE: Duration = Duration::days(7);

labeled_enum!(
    /// Origin of a lot. Lots with the same expiry are spent in the order of the variants.
    Origin {
        /// Free coins: the welcome bonus or the bonus of a package.
        Bonus = "bonus", "Бонус";
        /// Granted by support as compensation.
        Compensation = "compensation", "Компенсация";
        /// Purchased.
        Package = "package", "Покупка";
    }
);

impl Origin {
    /// The system account that the coins of this origin come from.
    pub const fn source(self) -> LedgerAccount {
        match self {
            Self::Package => LedgerAccount::Sold,
            Self::Bonus | Self::Compensation => LedgerAccount::Bonus,
        }
    }
}

/// Coins of one origin that were credited together and expire together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Chosen by the command that credited the lot.
    pub id: LotId,
    /// Bought, bonus or compensation; decides the order of spending.
    pub origin: Origin,
    /// Coins credited.
    pub granted: MicroCoins,
    /// Coins that can be spent; coins in open holds are not included.
    pub left: MicroCoins,
    /// When the lot expires; `None` if it never does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the lot was credited.
    pub created_at: DateTime<Utc>,
}

impl Lot {
    /// Whether the lot has expired at `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Sort key of spending: earliest expiry first, then free before purchased, then oldest first. Coins that
    /// would expire are spent first; purchased coins, which alone can be refunded in money, are spent last.
    pub fn spending_order(&self) -> impl Ord + use<> {
        let expires_at = self.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
        (expires_at, self.origin, self.created_at, self.id)
    }

    pub(super) fn take(&mut self, amount: MicroCoins) -> Result<(), LedgerRefusal> {
        let left = self.left.checked_sub(amount)?;
        if left < MicroCoins::ZERO {
            return Err(LedgerRefusal::Insufficient);
        }
        self.left = left;
        Ok(())
    }

    /// Returns coins to the lot, never more than were credited.
    pub(super) fn put_back(&mut self, amount: MicroCoins) -> Result<(), LedgerRefusal> {
        let left = self.left.checked_add(amount)?;
        if left > self.granted {
            return Err(LedgerRefusal::Overfilled);
        }
        self.left = left;
        Ok(())
    }

    /// Returns refunded coins to the lot; an expired lot can be spent for [`REFUND_GRACE`] more.
    pub(super) fn refund(&mut self, amount: MicroCoins, now: DateTime<Utc>) -> Result<(), LedgerRefusal> {
        self.put_back(amount)?;
        if self.is_expired(now) {
            self.expires_at = Some(now + REFUND_GRACE);
        }
        Ok(())
    }
}
