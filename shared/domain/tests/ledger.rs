//! Invariants of the ledger after any sequence of commands.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::id::{HoldId, LotId, TransactionId, WalletId};
use flysk_domain::money::{MicroCoins, WideSum};
use flysk_domain::platform::ledger::{
    Charge, Command, Entry, Hold, HoldState, LedgerAccount, LedgerRefusal, Line, LotPart, Origin, Posting,
    TransactionKind, Wallet,
};
use flysk_domain::{Clock, ManualClock};
use proptest::prelude::*;

/// One step; its numbers select among existing items.
#[derive(Debug, Clone)]
enum Step {
    Credit { amount: i64, origin: usize, lives_h: Option<i64> },
    Charge { amounts: Vec<i64> },
    Hold { amount: i64, lives_h: i64 },
    Capture { pick: usize, amounts: Vec<i64> },
    Release { pick: usize },
    Refund { pick: usize, amount: i64 },
    Withdraw { pick: usize, amount: i64 },
    Wait { hours: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let amounts = || proptest::collection::vec(-1_i64..60, 1..4);
    prop_oneof![
        3 => (0_i64..200, 0_usize..3, proptest::option::of(0_i64..200))
            .prop_map(|(amount, origin, lives_h)| Step::Credit { amount, origin, lives_h }),
        4 => amounts().prop_map(|amounts| Step::Charge { amounts }),
        4 => (-1_i64..80, 0_i64..50).prop_map(|(amount, lives_h)| Step::Hold { amount, lives_h }),
        3 => (any::<usize>(), amounts()).prop_map(|(pick, amounts)| Step::Capture { pick, amounts }),
        1 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        4 => (any::<usize>(), 0_i64..60).prop_map(|(pick, amount)| Step::Refund { pick, amount }),
        1 => (any::<usize>(), 0_i64..60).prop_map(|(pick, amount)| Step::Withdraw { pick, amount }),
        2 => (1_i64..60).prop_map(|hours| Step::Wait { hours }),
    ]
}

fn pick<T: Copy>(mut from: impl Iterator<Item = T> + Clone, at: usize) -> Option<T> {
    let count = from.clone().count();
    from.nth(at.checked_rem(count)?)
}

struct World {
    wallet: Wallet,
    clock: ManualClock,
    postings: Vec<Posting>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::at(DateTime::<Utc>::UNIX_EPOCH);
        Self { wallet: Wallet::empty(WalletId::generate(&clock)), clock, postings: Vec::new() }
    }

    fn command(&self, step: &Step) -> Option<Command> {
        let now = self.clock.now();
        let later = |hours: i64| now + Duration::hours(hours);
        let lines = |amounts: &[i64]| {
            let service = |at: usize| format!("service.{at}").parse().unwrap();
            amounts
                .iter()
                .enumerate()
                .map(|(at, n)| Line { service: service(at), amount: MicroCoins(*n) })
                .collect()
        };
        let hold = |at| pick(self.wallet.holds.keys().copied(), at);
        Some(match step {
            Step::Credit { amount, origin, lives_h } => Command::Credit {
                lot: LotId::generate(&self.clock),
                origin: Origin::ALL[*origin],
                amount: MicroCoins(*amount),
                expires_at: lives_h.map(later),
            },
            Step::Charge { amounts } => Command::Charge { lines: lines(amounts) },
            Step::Hold { amount, lives_h } => Command::Hold {
                hold: HoldId::generate(&self.clock),
                amount: MicroCoins(*amount),
                expires_at: later(*lives_h),
            },
            Step::Capture { pick, amounts } => Command::Capture { hold: hold(*pick)?, lines: lines(amounts) },
            Step::Release { pick } => Command::Release { hold: hold(*pick)? },
            Step::Refund { pick: at, amount } => Command::Refund {
                charge: pick(self.wallet.charges.keys().copied(), *at)?,
                // Sometimes the whole remaining amount.
                amount: (*amount % 8 != 0).then_some(MicroCoins(*amount)),
            },
            Step::Withdraw { pick: at, amount } => Command::Withdraw {
                lots: vec![pick(self.wallet.lots.keys().copied(), *at)?],
                amount: MicroCoins(*amount),
            },
            Step::Wait { .. } => return None,
        })
    }

    fn sweep(&mut self) {
        let clock = self.clock.clone();
        let swept = self.wallet.sweep(clock.now(), || TransactionId::generate(&clock)).unwrap();
        self.postings.extend(swept);
    }

    fn play(&mut self, step: &Step) {
        if let Step::Wait { hours } = step {
            self.clock.advance(Duration::hours(*hours));
        }
        self.sweep();
        if let Some(command) = self.command(step) {
            let before = self.wallet.clone();
            match self.wallet.apply(TransactionId::generate(&self.clock), &command, self.clock.now()) {
                Ok(posting) => self.postings.push(posting),
                Err(_) => assert_eq!(self.wallet, before, "a refusal changed something"),
            }
        }
        self.sweep();
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.postings.iter().flat_map(|posting| &posting.entries)
    }

    fn sum(&self, wanted: impl Fn(&Entry) -> bool) -> MicroCoins {
        MicroCoins::total(self.entries().filter(|entry| wanted(entry)).map(|entry| entry.amount)).unwrap()
    }

    fn check(&self) {
        let total: WideSum = self.entries().map(|entry| entry.amount).sum();
        assert_eq!(total, WideSum(0));
        assert!(self.postings.iter().all(Posting::is_balanced));
        assert_eq!(self.wallet.available, self.sum(|entry| entry.account == LedgerAccount::Available));
        assert_eq!(self.wallet.held, self.sum(|entry| entry.account == LedgerAccount::Held));
        assert!(self.wallet.available >= MicroCoins::ZERO && self.wallet.held >= MicroCoins::ZERO);
        for lot in self.wallet.lots.values() {
            let of = |entry: &Entry| entry.lot == Some(lot.id) && entry.account == LedgerAccount::Available;
            assert_eq!(lot.left, self.sum(of));
            assert!((MicroCoins::ZERO..=lot.granted).contains(&lot.left));
            assert!(lot.left.is_zero() || !lot.is_expired(self.clock.now()), "coins outlived their lot");
        }
        self.check_holds();
        self.check_charges();
    }

    fn check_holds(&self) {
        let now = self.clock.now();
        let open = |hold: &&Hold| hold.state == HoldState::Open;
        let held = self.wallet.holds.values().filter(open).map(|hold| hold.amount);
        assert_eq!(MicroCoins::total(held).unwrap(), self.wallet.held);
        for hold in self.wallet.holds.values() {
            assert!(hold.state != HoldState::Open || hold.expires_at > now, "a hold outlived its time");
            let own = self.postings.iter().filter(|posting| posting.hold == Some(hold.id));
            let kinds: Vec<TransactionKind> = own.map(|posting| posting.kind).collect();
            assert!(kinds.len() <= 2, "a hold ended twice: {kinds:?}");
        }
    }

    fn check_charges(&self) {
        let mut refunds: BTreeMap<TransactionId, Vec<Entry>> = BTreeMap::new();
        for posting in &self.postings {
            if let Some(charge) = posting.reverses {
                refunds.entry(charge).or_default().extend(posting.entries.clone());
            }
        }
        for charge in self.wallet.charges.values() {
            assert!(charge.returned().unwrap() <= charge.paid().unwrap());
            for line in &charge.lines {
                assert!(line.returned <= line.paid, "{line:?}");
            }
            // The stored entries, as the store reads them back.
            let own = &self.postings.iter().find(|posting| posting.id == charge.id).unwrap().entries;
            let back = refunds.get(&charge.id).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(&Charge::from_entries(charge.id, own, back).unwrap(), charge);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_history_keeps_the_invariants(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.play(step);
            world.check();
        }
        // Every hold expires.
        world.clock.advance(Duration::days(400));
        world.sweep();
        world.check();
        prop_assert_eq!(world.wallet.held, MicroCoins::ZERO);
    }
}

fn lines(name: &str, amount: i64) -> Vec<Line> {
    vec![Line { service: name.parse().unwrap(), amount: MicroCoins(amount) }]
}

/// Credits a lot that expires after `days`; returns its id.
fn credit(world: &mut World, origin: Origin, amount: i64, days: Option<i64>) -> LotId {
    let lot = LotId::generate(&world.clock);
    let expires_at = days.map(|days| world.clock.now() + Duration::days(days));
    run(world, &Command::Credit { lot, origin, amount: MicroCoins(amount), expires_at }).unwrap();
    world.clock.advance(Duration::seconds(1));
    lot
}

fn run(world: &mut World, command: &Command) -> Result<Posting, LedgerRefusal> {
    let id = TransactionId::generate(&world.clock);
    let posting = world.wallet.apply(id, command, world.clock.now())?;
    world.postings.push(posting.clone());
    world.check();
    Ok(posting)
}

#[test]
fn lots_are_spent_by_expiry_then_granted_then_oldest() {
    let mut world = World::new();
    let bought = credit(&mut world, Origin::Package, 10, None);
    let bonus = credit(&mut world, Origin::Bonus, 10, None);
    let in_a_month = credit(&mut world, Origin::Bonus, 10, Some(30));
    let in_five_days = credit(&mut world, Origin::Package, 10, Some(5));
    let compensation = credit(&mut world, Origin::Compensation, 10, None);
    let posting = run(&mut world, &Command::Charge { lines: lines("a", 50) }).unwrap();
    let order: Vec<LotId> = posting.entries.iter().filter_map(|entry| entry.lot).collect();
    assert_eq!(order, [in_five_days, in_a_month, bonus, compensation, bought]);
}

#[test]
fn a_refund_returns_to_the_lots_it_came_from_in_reverse() {
    let mut world = World::new();
    let first = credit(&mut world, Origin::Bonus, 10, Some(3));
    let second = credit(&mut world, Origin::Package, 100, None);
    let charge = run(&mut world, &Command::Charge { lines: lines("a", 30) }).unwrap().id;
    let refund = |amount| Command::Refund { charge, amount: Some(MicroCoins(amount)) };
    run(&mut world, &refund(25)).unwrap();
    assert_eq!(world.wallet.lots[&second].left, MicroCoins(100));
    assert_eq!(world.wallet.lots[&first].left, MicroCoins(5));
    assert_eq!(run(&mut world, &refund(6)), Err(LedgerRefusal::MoreThanCharged));
    let rest = Command::Refund { charge, amount: None };
    run(&mut world, &rest).unwrap();
    assert_eq!(world.wallet.available, MicroCoins(110));
    assert_eq!(run(&mut world, &refund(1)), Err(LedgerRefusal::MoreThanCharged));
    assert_eq!(run(&mut world, &rest), Err(LedgerRefusal::MoreThanCharged));
}

#[test]
fn coins_refunded_to_an_expired_lot_can_still_be_spent_for_a_week() {
    let mut world = World::new();
    credit(&mut world, Origin::Bonus, 10, Some(3));
    let charge = run(&mut world, &Command::Charge { lines: lines("a", 10) }).unwrap().id;
    world.clock.advance(Duration::days(4));
    world.sweep();
    run(&mut world, &Command::Refund { charge, amount: Some(MicroCoins(10)) }).unwrap();
    world.sweep();
    assert_eq!(world.wallet.available, MicroCoins(10));
    world.clock.advance(Duration::days(8));
    world.sweep();
    assert_eq!(world.wallet.available, MicroCoins::ZERO);
}

#[test]
fn a_capture_charges_the_actual_price_below_or_above_the_hold() {
    for (price, available) in [(20, 80), (50, 50), (70, 30)] {
        let mut world = World::new();
        credit(&mut world, Origin::Package, 100, None);
        let hold = HoldId::generate(&world.clock);
        let expires_at = world.clock.now() + Duration::hours(1);
        run(&mut world, &Command::Hold { hold, amount: MicroCoins(50), expires_at }).unwrap();
        assert_eq!((world.wallet.available, world.wallet.held), (MicroCoins(50), MicroCoins(50)));
        assert_eq!(
            run(&mut world, &Command::Capture { hold, lines: lines("a", 101) }),
            Err(LedgerRefusal::Insufficient)
        );
        run(&mut world, &Command::Capture { hold, lines: lines("a", price) }).unwrap();
        assert_eq!((world.wallet.available, world.wallet.held), (MicroCoins(available), MicroCoins::ZERO));
        assert_eq!(run(&mut world, &Command::Release { hold }), Err(LedgerRefusal::HoldEnded));
    }
}

#[test]
fn an_expired_hold_is_released_even_into_an_expired_lot() {
    let mut world = World::new();
    credit(&mut world, Origin::Bonus, 10, Some(1));
    let hold = HoldId::generate(&world.clock);
    let expires_at = world.clock.now() + Duration::days(2);
    run(&mut world, &Command::Hold { hold, amount: MicroCoins(6), expires_at }).unwrap();
    world.clock.advance(Duration::days(1));
    world.sweep();
    assert_eq!((world.wallet.available, world.wallet.held), (MicroCoins::ZERO, MicroCoins(6)));
    world.clock.advance(Duration::days(1));
    world.sweep();
    world.check();
    assert_eq!((world.wallet.available, world.wallet.held), (MicroCoins::ZERO, MicroCoins::ZERO));
    assert_eq!(world.sum(|entry| entry.account == LedgerAccount::Expired), MicroCoins(10));
}

#[test]
fn only_unspent_coins_of_a_purchase_can_be_withdrawn() {
    let mut world = World::new();
    let lot = credit(&mut world, Origin::Package, 100, None);
    run(&mut world, &Command::Charge { lines: lines("a", 40) }).unwrap();
    let withdraw = |amount| Command::Withdraw { lots: vec![lot], amount: MicroCoins(amount) };
    assert_eq!(run(&mut world, &withdraw(61)), Err(LedgerRefusal::Insufficient));
    run(&mut world, &withdraw(60)).unwrap();
    assert_eq!(world.sum(|entry| entry.account == LedgerAccount::Refunds), MicroCoins(60));
}

#[test]
fn a_reverted_withdrawal_restores_the_lots() {
    let mut world = World::new();
    let lot = credit(&mut world, Origin::Package, 100, None);
    let before = world.wallet.clone();
    run(&mut world, &Command::Withdraw { lots: vec![lot], amount: MicroCoins(60) }).unwrap();
    let withdrawal = world.postings.last().unwrap().id;
    let parts = vec![LotPart { lot, amount: MicroCoins(60) }];
    let restore = Command::Restore { withdrawal, parts };
    run(&mut world, &restore).unwrap();
    assert_eq!(world.wallet, before);
    assert_eq!(world.postings.last().unwrap().reverses, Some(withdrawal));
    assert_eq!(
        run(&mut world, &restore),
        Err(LedgerRefusal::Overfilled),
        "a lot never holds more than it was given"
    );
}
