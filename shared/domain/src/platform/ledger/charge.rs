//! Charges: coins taken by lot and by service, and the part refunded so far.

use super::{Entry, LedgerAccount, LedgerRefusal, Service};
use crate::id::{LotId, TransactionId};
use crate::money::MicroCoins;

/// Coins of one lot in a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePart {
    /// Lot from which the coins were taken, and to which a refund returns them.
    pub lot: LotId,
    /// Coins charged to the lot.
    pub taken: MicroCoins,
    /// Coins refunded to the lot so far.
    pub returned: MicroCoins,
}

/// Coins paid for one service in a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeLine {
    /// What the coins were spent on.
    pub service: Service,
    /// Coins paid for the service.
    pub paid: MicroCoins,
    /// Coins refunded so far.
    pub returned: MicroCoins,
}

/// Split of a refund by lot and by service.
#[derive(Debug, Default)]
pub(super) struct RefundSplit {
    pub(super) lots: Vec<(LotId, MicroCoins)>,
    pub(super) services: Vec<(Service, MicroCoins)>,
}

/// A charge or a capture, with its refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The transaction of the charge or capture.
    pub id: TransactionId,
    /// By lot, in the order in which the lots were charged.
    pub parts: Vec<ChargePart>,
    /// By service, in the order of the receipt.
    pub lines: Vec<ChargeLine>,
}

impl Charge {
    /// Builds the charge from its own entries and the entries of all its refunds.
    pub fn from_entries(id: TransactionId, own: &[Entry], refunds: &[Entry]) -> Result<Self, LedgerRefusal> {
        let mut charge = Self { id, parts: Vec::new(), lines: Vec::new() };
        for entry in own {
            match (&entry.account, entry.lot) {
                (LedgerAccount::Available | LedgerAccount::Held, Some(lot)) => {
                    let part = charge.part(lot);
                    part.taken = part.taken.checked_sub(entry.amount)?;
                }
                (LedgerAccount::Spent(service), _) => {
                    let line = charge.line(service);
                    line.paid = line.paid.checked_add(entry.amount)?;
                }
                _ => {}
            }
        }
        // A capture returns the unused coins of the hold: such a lot paid nothing.
        charge.parts.retain(|part| part.taken.is_positive());
        for entry in refunds {
            match (&entry.account, entry.lot) {
                (LedgerAccount::Available, Some(lot)) => {
                    let part = charge.part(lot);
                    part.returned = part.returned.checked_add(entry.amount)?;
                }
                (LedgerAccount::Spent(service), _) => {
                    let line = charge.line(service);
                    line.returned = line.returned.checked_sub(entry.amount)?;
                }
                _ => {}
            }
        }
        Ok(charge)
    }

    /// Sum over all lots, before refunds.
    pub fn paid(&self) -> Result<MicroCoins, LedgerRefusal> {
        Ok(MicroCoins::total(self.parts.iter().map(|part| part.taken))?)
    }

    /// Total refunded so far.
    pub fn returned(&self) -> Result<MicroCoins, LedgerRefusal> {
        Ok(MicroCoins::total(self.parts.iter().map(|part| part.returned))?)
    }

    /// Total that can still be refunded.
    pub fn left(&self) -> Result<MicroCoins, LedgerRefusal> {
        Ok(self.paid()?.checked_sub(self.returned()?)?)
    }

    /// Refunds `amount`: to the lots in reverse order of charging, so that coins with the latest expiry return
    /// first, and from the services in reverse order of the receipt.
    pub(super) fn refund(&mut self, amount: MicroCoins) -> Result<RefundSplit, LedgerRefusal> {
        if self.returned()?.checked_add(amount)? > self.paid()? {
            return Err(LedgerRefusal::MoreThanCharged);
        }
        let (mut back_to, mut rest) = (RefundSplit::default(), amount);
        for part in self.parts.iter_mut().rev() {
            let back = part.taken.checked_sub(part.returned)?.min(rest);
            if back.is_positive() {
                part.returned = part.returned.checked_add(back)?;
                rest = rest.checked_sub(back)?;
                back_to.lots.push((part.lot, back));
            }
        }
        let mut rest = amount;
        for line in self.lines.iter_mut().rev() {
            let back = line.paid.checked_sub(line.returned)?.min(rest);
            if back.is_positive() {
                line.returned = line.returned.checked_add(back)?;
                rest = rest.checked_sub(back)?;
                back_to.services.push((line.service.clone(), back));
            }
        }
        Ok(back_to)
    }

    fn part(&mut self, lot: LotId) -> &mut ChargePart {
        let at = self.parts.iter().position(|part| part.lot == lot).unwrap_or_else(|| {
            self.parts.push(ChargePart { lot, taken: MicroCoins::ZERO, returned: MicroCoins::ZERO });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    fn line(&mut self, service: &Service) -> &mut ChargeLine {
        let at = self.lines.iter().position(|line| line.service == *service).unwrap_or_else(|| {
            let service = service.clone();
            self.lines.push(ChargeLine { service, paid: MicroCoins::ZERO, returned: MicroCoins::ZERO });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }
}
