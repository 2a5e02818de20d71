//! The wallet and what commands do to it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Account, Charge, Command, Hold, HoldState, Line, Lot, Origin, Part, Posting, Refusal, TransactionKind,
};
use crate::id::{HoldId, LotId, TransactionId, WalletId};
use crate::money::MicroCoins;

/// What is loaded of one customer's coins.
///
/// `available` and `held` are the whole wallet's. Of lots, holds and charges only those need be here that a
/// command may touch: every lot with coins left, and whatever the commands name with its lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// Whose.
    pub id: WalletId,
    /// Coins that can be spent.
    pub available: MicroCoins,
    /// Coins set aside.
    pub held: MicroCoins,
    /// By id.
    pub lots: BTreeMap<LotId, Lot>,
    /// By id.
    pub holds: BTreeMap<HoldId, Hold>,
    /// By the transaction that charged.
    pub charges: BTreeMap<TransactionId, Charge>,
}

impl Wallet {
    /// A wallet without coins.
    pub fn empty(id: WalletId) -> Self {
        Self {
            id,
            available: MicroCoins::ZERO,
            held: MicroCoins::ZERO,
            lots: BTreeMap::new(),
            holds: BTreeMap::new(),
            charges: BTreeMap::new(),
        }
    }

    /// Carries a command out as transaction `id`, or refuses it and changes nothing.
    pub fn apply(
        &mut self,
        id: TransactionId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        let before = self.clone();
        let outcome = self.carry_out(id, command, now);
        if outcome.is_err() {
            *self = before;
        }
        outcome
    }

    fn carry_out(
        &mut self,
        id: TransactionId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        match command {
            Command::Credit { lot, origin, amount, expires_at } => {
                self.credit(id, *lot, *origin, *amount, *expires_at, now)
            }
            Command::Charge { lines } => self.charge(id, lines, now),
            Command::Hold { hold, amount, expires_at } => self.hold(id, *hold, *amount, *expires_at, now),
            Command::Capture { hold, lines } => self.capture(id, *hold, lines, now),
            Command::Release { hold } => self.end_unpaid(id, *hold, HoldState::Released, now),
            Command::Refund { charge, amount } => self.refund(id, *charge, *amount, now),
            Command::Withdraw { lots, amount } => self.withdraw(id, lots, *amount, now),
            Command::Restore { withdrawal, parts } => self.restore(id, *withdrawal, parts, now),
        }
    }

    /// Frees holds and expires lots whose time is over. Run before commands, so that they find what they may
    /// spend, and after them, because a hold may have given coins back to a lot that has expired.
    pub fn sweep(
        &mut self,
        now: DateTime<Utc>,
        mut fresh: impl FnMut() -> TransactionId,
    ) -> Result<Vec<Posting>, Refusal> {
        let mut postings = Vec::new();
        let lost = |hold: &&Hold| hold.state == HoldState::Open && hold.expires_at <= now;
        let lost: Vec<HoldId> = self.holds.values().filter(lost).map(|hold| hold.id).collect();
        for hold in lost {
            postings.push(self.end_unpaid(fresh(), hold, HoldState::Expired, now)?);
        }
        let mut posting = Posting::new(fresh(), TransactionKind::Expire, now);
        let mut gone = MicroCoins::ZERO;
        for lot in self.lots.values_mut().filter(|lot| lot.is_expired(now) && lot.left.is_positive()) {
            posting.wallet(Account::Available, lot.id, lot.left.negated()?);
            gone = gone.plus(lot.left)?;
            lot.left = MicroCoins::ZERO;
        }
        if gone.is_positive() {
            self.available = self.available.minus(gone)?;
            posting.system(Account::Expired, gone);
            postings.push(posting);
        }
        Ok(postings)
    }

    fn credit(
        &mut self,
        id: TransactionId,
        lot: LotId,
        origin: Origin,
        amount: MicroCoins,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        positive(amount)?;
        if self.lots.contains_key(&lot) {
            return Err(Refusal::Taken);
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(Refusal::ExpiryInPast);
        }
        self.available = self.available.plus(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Credit, now);
        posting.system(origin.source(), amount.negated()?);
        posting.wallet(Account::Available, lot, amount);
        self.lots
            .insert(lot, Lot { id: lot, origin, granted: amount, left: amount, expires_at, created_at: now });
        Ok(posting)
    }

    fn charge(&mut self, id: TransactionId, lines: &[Line], now: DateTime<Utc>) -> Result<Posting, Refusal> {
        let total = Line::total(lines)?;
        let mut posting = Posting::new(id, TransactionKind::Charge, now);
        for part in self.take(total, now)? {
            posting.wallet(Account::Available, part.lot, part.amount.negated()?);
        }
        self.pay(&mut posting, lines)?;
        Ok(posting)
    }

    fn hold(
        &mut self,
        id: TransactionId,
        hold: HoldId,
        amount: MicroCoins,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        positive(amount)?;
        if self.holds.contains_key(&hold) {
            return Err(Refusal::Taken);
        }
        if expires_at <= now {
            return Err(Refusal::ExpiryInPast);
        }
        let parts = self.take(amount, now)?;
        self.held = self.held.plus(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Hold, now);
        posting.hold = Some(hold);
        for part in &parts {
            posting.wallet(Account::Available, part.lot, part.amount.negated()?);
            posting.wallet(Account::Held, part.lot, part.amount);
        }
        let (state, captured) = (HoldState::Open, MicroCoins::ZERO);
        self.holds.insert(hold, Hold { id: hold, placed_by: id, amount, parts, state, captured, expires_at });
        Ok(posting)
    }

    fn capture(
        &mut self,
        id: TransactionId,
        hold: HoldId,
        lines: &[Line],
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        let total = Line::total(lines)?;
        let mut posting = Posting::new(id, TransactionKind::Capture, now);
        let parts = self.end(&mut posting, hold, HoldState::Captured, total)?;
        let mut needed = total;
        for part in parts {
            let used = part.amount.min(needed);
            needed = needed.minus(used)?;
            posting.wallet(Account::Held, part.lot, part.amount.negated()?);
            self.return_part(&mut posting, part.lot, part.amount.minus(used)?)?;
        }
        if needed.is_positive() {
            for part in self.take(needed, now)? {
                posting.wallet(Account::Available, part.lot, part.amount.negated()?);
            }
        }
        self.pay(&mut posting, lines)?;
        Ok(posting)
    }

    /// Ends a hold without payment.
    fn end_unpaid(
        &mut self,
        id: TransactionId,
        hold: HoldId,
        state: HoldState,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        let mut posting = Posting::new(id, TransactionKind::Release, now);
        for part in self.end(&mut posting, hold, state, MicroCoins::ZERO)? {
            posting.wallet(Account::Held, part.lot, part.amount.negated()?);
            self.return_part(&mut posting, part.lot, part.amount)?;
        }
        Ok(posting)
    }

    fn refund(
        &mut self,
        id: TransactionId,
        charge: TransactionId,
        amount: Option<MicroCoins>,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        let charge = self.charges.get_mut(&charge).ok_or(Refusal::UnknownCharge)?;
        let amount = match amount {
            Some(amount) => amount,
            // Nothing is left of it: who asks for the rest asks for more than was charged.
            None => Some(charge.left()?).filter(|left| left.is_positive()).ok_or(Refusal::MoreThanCharged)?,
        };
        positive(amount)?;
        let back_to = charge.give_back(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Refund, now);
        posting.reverses = Some(charge.id);
        for (service, back) in back_to.services {
            posting.system(Account::Spent(service), back.negated()?);
        }
        for (lot, back) in back_to.lots {
            self.lots.get_mut(&lot).ok_or(Refusal::UnknownLot)?.refund(back, now)?;
            posting.wallet(Account::Available, lot, back);
        }
        self.available = self.available.plus(amount)?;
        Ok(posting)
    }

    fn withdraw(
        &mut self,
        id: TransactionId,
        lots: &[LotId],
        amount: MicroCoins,
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        positive(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Withdraw, now);
        let mut needed = amount;
        for lot in lots {
            let lot = self.lots.get_mut(lot).ok_or(Refusal::UnknownLot)?;
            let taken = lot.left.min(needed);
            if taken.is_positive() {
                lot.take(taken)?;
                needed = needed.minus(taken)?;
                posting.wallet(Account::Available, lot.id, taken.negated()?);
            }
        }
        if needed.is_positive() {
            return Err(Refusal::Insufficient);
        }
        self.available = self.available.minus(amount)?;
        posting.system(Account::Refunds, amount);
        Ok(posting)
    }

    fn restore(
        &mut self,
        id: TransactionId,
        withdrawal: TransactionId,
        parts: &[Part],
        now: DateTime<Utc>,
    ) -> Result<Posting, Refusal> {
        let amount = MicroCoins::total(parts.iter().map(|part| part.amount))?;
        positive(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Restore, now);
        posting.reverses = Some(withdrawal);
        posting.system(Account::Refunds, amount.negated()?);
        for part in parts {
            positive(part.amount)?;
            // A lot that expired meanwhile lives a little longer: the customer did not choose to wait.
            self.lots.get_mut(&part.lot).ok_or(Refusal::UnknownLot)?.refund(part.amount, now)?;
            posting.wallet(Account::Available, part.lot, part.amount);
        }
        self.available = self.available.plus(amount)?;
        Ok(posting)
    }

    /// Takes coins out of lots in the order of spending.
    fn take(&mut self, amount: MicroCoins, now: DateTime<Utc>) -> Result<Vec<Part>, Refusal> {
        let mut lots: Vec<&mut Lot> =
            self.lots.values_mut().filter(|lot| lot.left.is_positive() && !lot.is_expired(now)).collect();
        lots.sort_by_cached_key(|lot| lot.spending_order());
        let (mut parts, mut needed) = (Vec::new(), amount);
        for lot in lots {
            if needed.is_zero() {
                break;
            }
            let taken = lot.left.min(needed);
            lot.take(taken)?;
            needed = needed.minus(taken)?;
            parts.push(Part { lot: lot.id, amount: taken });
        }
        if needed.is_positive() {
            return Err(Refusal::Insufficient);
        }
        self.available = self.available.minus(amount)?;
        Ok(parts)
    }

    fn return_part(&mut self, posting: &mut Posting, lot: LotId, amount: MicroCoins) -> Result<(), Refusal> {
        if amount.is_positive() {
            self.lots.get_mut(&lot).ok_or(Refusal::UnknownLot)?.put_back(amount)?;
            self.available = self.available.plus(amount)?;
            posting.wallet(Account::Available, lot, amount);
        }
        Ok(())
    }

    /// Ends an open hold and hands out its parts.
    fn end(
        &mut self,
        posting: &mut Posting,
        hold: HoldId,
        state: HoldState,
        captured: MicroCoins,
    ) -> Result<Vec<Part>, Refusal> {
        let hold = self.holds.get_mut(&hold).ok_or(Refusal::UnknownHold)?;
        if hold.state != HoldState::Open {
            return Err(Refusal::HoldEnded);
        }
        (hold.state, hold.captured) = (state, captured);
        posting.hold = Some(hold.id);
        self.held = self.held.minus(hold.amount)?;
        Ok(hold.parts.clone())
    }

    /// Books what the services get, and remembers the charge for refunds.
    fn pay(&mut self, posting: &mut Posting, lines: &[Line]) -> Result<(), Refusal> {
        for line in lines {
            posting.system(Account::Spent(line.service.clone()), line.amount);
        }
        let charge = Charge::from_entries(posting.id, &posting.entries, &[])?;
        self.charges.insert(posting.id, charge);
        Ok(())
    }
}

fn positive(amount: MicroCoins) -> Result<(), Refusal> {
    if amount.is_positive() { Ok(()) } else { Err(Refusal::NotPositive) }
}
