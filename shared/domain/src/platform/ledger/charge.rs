//! What was paid, by lot and by service, and how much of it has come back.

use super::{Account, Entry, Refusal, Service};
use crate::id::{LotId, TransactionId};
use crate::money::MicroCoins;

/// Coins of one lot that paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargePart {
    /// Whose.
    pub lot: LotId,
    /// How many.
    pub taken: MicroCoins,
    /// How many of them came back.
    pub returned: MicroCoins,
}

/// What one service was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeLine {
    /// Which.
    pub service: Service,
    /// How many.
    pub paid: MicroCoins,
    /// How many of them came back.
    pub returned: MicroCoins,
}

/// How a refund is split.
#[derive(Debug, Default)]
pub(super) struct GivenBack {
    pub(super) lots: Vec<(LotId, MicroCoins)>,
    pub(super) services: Vec<(Service, MicroCoins)>,
}

/// A charge, or the capture of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The transaction that charged.
    pub id: TransactionId,
    /// By lot, in the order of taking.
    pub parts: Vec<ChargePart>,
    /// By service, in the order of the receipt.
    pub lines: Vec<ChargeLine>,
}

impl Charge {
    /// Read from the entries of the charge and of all its refunds.
    pub fn from_entries(id: TransactionId, own: &[Entry], refunds: &[Entry]) -> Result<Self, Refusal> {
        let mut charge = Self { id, parts: Vec::new(), lines: Vec::new() };
        for entry in own {
            match (&entry.account, entry.lot) {
                (Account::Available | Account::Held, Some(lot)) => {
                    let part = charge.part(lot);
                    part.taken = part.taken.minus(entry.amount)?;
                }
                (Account::Spent(service), _) => {
                    let line = charge.line(service);
                    line.paid = line.paid.plus(entry.amount)?;
                }
                _ => {}
            }
        }
        // A capture gives back what was not needed: such a lot paid nothing.
        charge.parts.retain(|part| part.taken.is_positive());
        for entry in refunds {
            match (&entry.account, entry.lot) {
                (Account::Available, Some(lot)) => {
                    let part = charge.part(lot);
                    part.returned = part.returned.plus(entry.amount)?;
                }
                (Account::Spent(service), _) => {
                    let line = charge.line(service);
                    line.returned = line.returned.minus(entry.amount)?;
                }
                _ => {}
            }
        }
        Ok(charge)
    }

    /// How many coins were paid.
    pub fn paid(&self) -> Result<MicroCoins, Refusal> {
        Ok(MicroCoins::total(self.parts.iter().map(|part| part.taken))?)
    }

    /// How many came back.
    pub fn returned(&self) -> Result<MicroCoins, Refusal> {
        Ok(MicroCoins::total(self.parts.iter().map(|part| part.returned))?)
    }

    /// How many can still come back.
    pub fn left(&self) -> Result<MicroCoins, Refusal> {
        Ok(self.paid()?.minus(self.returned()?)?)
    }

    /// Gives `amount` back: to the lots in reverse order of taking, so that coins that live longest return
    /// first, and off the services in reverse order of the receipt.
    pub(super) fn give_back(&mut self, amount: MicroCoins) -> Result<GivenBack, Refusal> {
        if self.returned()?.plus(amount)? > self.paid()? {
            return Err(Refusal::MoreThanCharged);
        }
        let (mut back_to, mut rest) = (GivenBack::default(), amount);
        for part in self.parts.iter_mut().rev() {
            let back = part.taken.minus(part.returned)?.min(rest);
            if back.is_positive() {
                part.returned = part.returned.plus(back)?;
                rest = rest.minus(back)?;
                back_to.lots.push((part.lot, back));
            }
        }
        let mut rest = amount;
        for line in self.lines.iter_mut().rev() {
            let back = line.paid.minus(line.returned)?.min(rest);
            if back.is_positive() {
                line.returned = line.returned.plus(back)?;
                rest = rest.minus(back)?;
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
