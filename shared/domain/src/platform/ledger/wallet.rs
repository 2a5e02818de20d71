//! The wallet and the commands that change it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Charge, Command, Hold, HoldState, LedgerAccount, LedgerRefusal, Line, Lot, LotPart, Origin, Posting,
    TransactionKind,
};
use crate::id::{HoldId, LotId, TransactionId, WalletId};
use crate::money::MicroCoins;

/// Loaded state of one wallet.
///
/// `available` and `held` cover the whole wallet. Lots, holds and charges are loaded only as far as a command may
/// touch them: every lot with coins left, and the holds and charges named by the commands with their lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// One wallet per install.
    pub id: WalletId,
    /// Coins that can be spent.
    pub available: MicroCoins,
    /// Coins reserved by open holds.
    pub held: MicroCoins,
    /// Loaded lots, by id.
    pub lots: BTreeMap<LotId, Lot>,
    /// Loaded holds, by id.
    pub holds: BTreeMap<HoldId, Hold>,
    /// Loaded charges, by the transaction of the charge.
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

    /// Executes a command as transaction `id`. A refused command changes nothing.
    pub fn apply(
        &mut self,
        id: TransactionId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Posting, LedgerRefusal> {
        let before = Undo::of(self, command);
        let outcome = self.carry_out(id, command, now);
        if outcome.is_err() {
            before.restore(self);
        }
        outcome
    }

    fn carry_out(
        &mut self,
        id: TransactionId,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Posting, LedgerRefusal> {
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

    /// Releases expired holds and removes the coins of expired lots. Runs before commands, so that they see only
    /// spendable coins, and after them, because an expired hold may have returned coins to an expired lot.
    pub fn sweep(
        &mut self,
        now: DateTime<Utc>,
        mut fresh: impl FnMut() -> TransactionId,
    ) -> Result<Vec<Posting>, LedgerRefusal> {
        let mut postings = Vec::new();
        let lost = |hold: &&Hold| hold.state == HoldState::Open && hold.expires_at <= now;
        let lost: Vec<HoldId> = self.holds.values().filter(lost).map(|hold| hold.id).collect();
        for hold in lost {
            postings.push(self.end_unpaid(fresh(), hold, HoldState::Expired, now)?);
        }
        let mut posting = Posting::new(fresh(), TransactionKind::Expire, now);
        let mut gone = MicroCoins::ZERO;
        for lot in self.lots.values_mut().filter(|lot| lot.is_expired(now) && lot.left.is_positive()) {
            posting.wallet(LedgerAccount::Available, lot.id, lot.left.checked_neg()?);
            gone = gone.checked_add(lot.left)?;
            lot.left = MicroCoins::ZERO;
        }
        if gone.is_positive() {
            self.available = self.available.checked_sub(gone)?;
            posting.system(LedgerAccount::Expired, gone);
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
    ) -> Result<Posting, LedgerRefusal> {
        positive(amount)?;
        if self.lots.contains_key(&lot) {
            return Err(LedgerRefusal::Taken);
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(LedgerRefusal::ExpiryInPast);
        }
        self.available = self.available.checked_add(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Credit, now);
        posting.system(origin.source(), amount.checked_neg()?);
        posting.wallet(LedgerAccount::Available, lot, amount);
        self.lots
            .insert(lot, Lot { id: lot, origin, granted: amount, left: amount, expires_at, created_at: now });
        Ok(posting)
    }

    fn charge(
        &mut self,
        id: TransactionId,
        lines: &[Line],
        now: DateTime<Utc>,
    ) -> Result<Posting, LedgerRefusal> {
        let total = Line::total(lines)?;
        let mut posting = Posting::new(id, TransactionKind::Charge, now);
        for part in self.take(total, now)? {
            posting.wallet(LedgerAccount::Available, part.lot, part.amount.checked_neg()?);
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
    ) -> Result<Posting, LedgerRefusal> {
        positive(amount)?;
        if self.holds.contains_key(&hold) {
            return Err(LedgerRefusal::Taken);
        }
        if expires_at <= now {
            return Err(LedgerRefusal::ExpiryInPast);
        }
        let parts = self.take(amount, now)?;
        self.held = self.held.checked_add(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Hold, now);
        posting.hold = Some(hold);
        for part in &parts {
            posting.wallet(LedgerAccount::Available, part.lot, part.amount.checked_neg()?);
            posting.wallet(LedgerAccount::Held, part.lot, part.amount);
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
    ) -> Result<Posting, LedgerRefusal> {
        let total = Line::total(lines)?;
        let mut posting = Posting::new(id, TransactionKind::Capture, now);
        let parts = self.end(&mut posting, hold, HoldState::Captured, total)?;
        let mut needed = total;
        for part in parts {
            let used = part.amount.min(needed);
            needed = needed.checked_sub(used)?;
            posting.wallet(LedgerAccount::Held, part.lot, part.amount.checked_neg()?);
            self.return_part(&mut posting, part.lot, part.amount.checked_sub(used)?)?;
        }
        if needed.is_positive() {
            for part in self.take(needed, now)? {
                posting.wallet(LedgerAccount::Available, part.lot, part.amount.checked_neg()?);
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
    ) -> Result<Posting, LedgerRefusal> {
        let mut posting = Posting::new(id, TransactionKind::Release, now);
        for part in self.end(&mut posting, hold, state, MicroCoins::ZERO)? {
            posting.wallet(LedgerAccount::Held, part.lot, part.amount.checked_neg()?);
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
    ) -> Result<Posting, LedgerRefusal> {
        let charge = self.charges.get_mut(&charge).ok_or(LedgerRefusal::UnknownCharge)?;
        let amount = match amount {
            Some(amount) => amount,
            // Fully refunded: a request for the rest is a request for more than was charged.
            None => Some(charge.left()?)
                .filter(|left| left.is_positive())
                .ok_or(LedgerRefusal::MoreThanCharged)?,
        };
        positive(amount)?;
        let back_to = charge.refund(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Refund, now);
        posting.reverses = Some(charge.id);
        for (service, back) in back_to.services {
            posting.system(LedgerAccount::Spent(service), back.checked_neg()?);
        }
        for (lot, back) in back_to.lots {
            self.lots.get_mut(&lot).ok_or(LedgerRefusal::UnknownLot)?.refund(back, now)?;
            posting.wallet(LedgerAccount::Available, lot, back);
        }
        self.available = self.available.checked_add(amount)?;
        Ok(posting)
    }

    fn withdraw(
        &mut self,
        id: TransactionId,
        lots: &[LotId],
        amount: MicroCoins,
        now: DateTime<Utc>,
    ) -> Result<Posting, LedgerRefusal> {
        positive(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Withdraw, now);
        let mut needed = amount;
        for lot in lots {
            let lot = self.lots.get_mut(lot).ok_or(LedgerRefusal::UnknownLot)?;
            let taken = lot.left.min(needed);
            if taken.is_positive() {
                lot.take(taken)?;
                needed = needed.checked_sub(taken)?;
                posting.wallet(LedgerAccount::Available, lot.id, taken.checked_neg()?);
            }
        }
        if needed.is_positive() {
            return Err(LedgerRefusal::Insufficient);
        }
        self.available = self.available.checked_sub(amount)?;
        posting.system(LedgerAccount::Refunds, amount);
        Ok(posting)
    }

    fn restore(
        &mut self,
        id: TransactionId,
        withdrawal: TransactionId,
        parts: &[LotPart],
        now: DateTime<Utc>,
    ) -> Result<Posting, LedgerRefusal> {
        let amount = MicroCoins::total(parts.iter().map(|part| part.amount))?;
        positive(amount)?;
        let mut posting = Posting::new(id, TransactionKind::Restore, now);
        posting.reverses = Some(withdrawal);
        posting.system(LedgerAccount::Refunds, amount.checked_neg()?);
        for part in parts {
            positive(part.amount)?;
            // A lot that expired in the meantime is extended: the delay was not the customer's choice.
            self.lots.get_mut(&part.lot).ok_or(LedgerRefusal::UnknownLot)?.refund(part.amount, now)?;
            posting.wallet(LedgerAccount::Available, part.lot, part.amount);
        }
        self.available = self.available.checked_add(amount)?;
        Ok(posting)
    }

    /// Takes coins from lots in the order of spending.
    fn take(&mut self, amount: MicroCoins, now: DateTime<Utc>) -> Result<Vec<LotPart>, LedgerRefusal> {
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
            needed = needed.checked_sub(taken)?;
            parts.push(LotPart { lot: lot.id, amount: taken });
        }
        if needed.is_positive() {
            return Err(LedgerRefusal::Insufficient);
        }
        self.available = self.available.checked_sub(amount)?;
        Ok(parts)
    }

    fn return_part(
        &mut self,
        posting: &mut Posting,
        lot: LotId,
        amount: MicroCoins,
    ) -> Result<(), LedgerRefusal> {
        if amount.is_positive() {
            self.lots.get_mut(&lot).ok_or(LedgerRefusal::UnknownLot)?.put_back(amount)?;
            self.available = self.available.checked_add(amount)?;
            posting.wallet(LedgerAccount::Available, lot, amount);
        }
        Ok(())
    }

    /// Ends an open hold and returns its parts.
    fn end(
        &mut self,
        posting: &mut Posting,
        hold: HoldId,
        state: HoldState,
        captured: MicroCoins,
    ) -> Result<Vec<LotPart>, LedgerRefusal> {
        let hold = self.holds.get_mut(&hold).ok_or(LedgerRefusal::UnknownHold)?;
        if hold.state != HoldState::Open {
            return Err(LedgerRefusal::HoldEnded);
        }
        (hold.state, hold.captured) = (state, captured);
        posting.hold = Some(hold.id);
        self.held = self.held.checked_sub(hold.amount)?;
        Ok(hold.parts.clone())
    }

    /// Posts the payments to the services' accounts and stores the charge for later refunds.
    fn pay(&mut self, posting: &mut Posting, lines: &[Line]) -> Result<(), LedgerRefusal> {
        for line in lines {
            posting.system(LedgerAccount::Spent(line.service.clone()), line.amount);
        }
        let charge = Charge::from_entries(posting.id, &posting.entries, &[])?;
        self.charges.insert(posting.id, charge);
        Ok(())
    }
}

/// What a command may have changed before it is refused. New holds and charges are inserted last, after everything that can be
/// refused, so that a wallet with many of them is not copied for each command.
struct Undo {
    available: MicroCoins,
    held: MicroCoins,
    lots: BTreeMap<LotId, Lot>,
    hold: Option<Hold>,
    charge: Option<Charge>,
}

impl Undo {
    fn of(wallet: &Wallet, command: &Command) -> Self {
        let hold = match command {
            Command::Capture { hold, .. } | Command::Release { hold } => wallet.holds.get(hold).cloned(),
            _ => None,
        };
        let charge = match command {
            Command::Refund { charge, .. } => wallet.charges.get(charge).cloned(),
            _ => None,
        };
        let Wallet { available, held, lots, .. } = wallet;
        Self { available: *available, held: *held, lots: lots.clone(), hold, charge }
    }

    fn restore(self, wallet: &mut Wallet) {
        (wallet.available, wallet.held, wallet.lots) = (self.available, self.held, self.lots);
        wallet.holds.extend(self.hold.map(|hold| (hold.id, hold)));
        wallet.charges.extend(self.charge.map(|charge| (charge.id, charge)));
    }
}

fn positive(amount: MicroCoins) -> Result<(), LedgerRefusal> {
    if amount.is_positive() { Ok(()) } else { Err(LedgerRefusal::NotPositive) }
}
