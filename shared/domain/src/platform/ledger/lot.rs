//! Lots: coins of one origin that share an expiry.

use chrono::{DateTime, Duration, Utc};

use super::{Account, Refusal};
use crate::id::LotId;
use crate::money::MicroCoins;

/// How long refunded coins may still be spent when their lot has expired meanwhile: a failure of ours must
/// not cost the customer the coins.
pub const REFUND_GRACE: Duration = Duration::days(7);

/// Where a lot came from. The order is the order of spending among lots that expire together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Given: on the first activation, or with a package.
    Bonus,
    /// Given by support for something that went wrong.
    Compensation,
    /// Bought.
    Package,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bonus, Self::Compensation, Self::Package];

    /// The stable code, as in SQL and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bonus => "bonus",
            Self::Compensation => "compensation",
            Self::Package => "package",
        }
    }

    /// What people read, in Russian.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bonus => "Бонус",
            Self::Compensation => "Компенсация",
            Self::Package => "Покупка",
        }
    }

    /// Reads the code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The system account its coins come from.
    pub const fn source(self) -> Account {
        match self {
            Self::Package => Account::Sold,
            Self::Bonus | Self::Compensation => Account::Bonus,
        }
    }
}

/// Coins of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Which.
    pub id: LotId,
    /// Where it came from.
    pub origin: Origin,
    /// How many there were.
    pub granted: MicroCoins,
    /// How many can be spent; coins in holds are not among them.
    pub left: MicroCoins,
    /// From when on they cannot be spent.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was credited.
    pub created_at: DateTime<Utc>,
}

impl Lot {
    /// Its time is over.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The order of spending: what expires soonest, then what was given before what was bought, then the
    /// oldest. Nothing is lost to expiry that could have been spent, and bought coins, which alone can be
    /// turned back into money, stay longest.
    pub fn spending_order(&self) -> impl Ord + use<> {
        let expires_at = self.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
        (expires_at, self.origin, self.created_at, self.id)
    }

    /// Takes coins out.
    pub(super) fn take(&mut self, amount: MicroCoins) -> Result<(), Refusal> {
        let left = self.left.minus(amount)?;
        if left < MicroCoins::ZERO {
            return Err(Refusal::Insufficient);
        }
        self.left = left;
        Ok(())
    }

    /// Puts coins back; never more than there were.
    pub(super) fn put_back(&mut self, amount: MicroCoins) -> Result<(), Refusal> {
        let left = self.left.plus(amount)?;
        if left > self.granted {
            return Err(Refusal::Overfilled);
        }
        self.left = left;
        Ok(())
    }

    /// Puts refunded coins back, to be spent for a while even if the lot has expired.
    pub(super) fn refund(&mut self, amount: MicroCoins, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.put_back(amount)?;
        if self.is_expired(now) {
            self.expires_at = Some(now + REFUND_GRACE);
        }
        Ok(())
    }
}
