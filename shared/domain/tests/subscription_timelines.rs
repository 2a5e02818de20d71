//! Invariants of subscriptions over random timelines: purchases, changes, cancellations, failures, bonus days, refunds, pauses of the sale.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics with the reason")]

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use flysk_domain::SystemClock;
use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, AnchorDay, Change, Currency, DueStep, Effect, EndReason, LineKind, NextTerms,
    PendingChange, Period, PeriodLength, PlanTerms, Quote, RefundableInvoice, Subscription,
    SubscriptionSettings, SubscriptionState, Terms, day_start, moscow_day, quote,
};
use proptest::prelude::*;

/// One step; its numbers select among existing items.
#[derive(Debug, Clone)]
enum Step {
    Start { plan: usize, seats: u32, length: usize },
    Seats(u32),
    Plan(usize),
    Length(usize),
    Renew,
    Cancel,
    Restore,
    Bonus(u32),
    Refund { pick: usize, kopecks: Option<i64> },
    Wait { hours: i64 },
    Sell(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..3, 0_u32..40, 0_usize..4).prop_map(|(plan, seats, length)| Step::Start { plan, seats, length }),
        4 => (0_u32..40).prop_map(Step::Seats),
        2 => (0_usize..3).prop_map(Step::Plan),
        2 => (0_usize..4).prop_map(Step::Length),
        1 => Just(Step::Renew),
        1 => Just(Step::Cancel),
        1 => Just(Step::Restore),
        1 => (0_u32..40).prop_map(Step::Bonus),
        1 => (any::<usize>(), proptest::option::of(-10_i64..200_000)).prop_map(|(pick, kopecks)| Step::Refund { pick, kopecks }),
        6 => (1_i64..900).prop_map(|hours| Step::Wait { hours }),
        1 => any::<bool>().prop_map(Step::Sell),
    ]
}

/// Steps, hours until the first one, days of the trial, and whether charges succeed, one after the other.
fn timeline() -> impl Strategy<Value = (Vec<Step>, i64, u32, Vec<bool>)> {
    let luck = proptest::collection::vec(any::<bool>(), 0..20);
    (proptest::collection::vec(step(), 1..60), 0_i64..30_000, 0_u32..30, luck)
}

/// Money of one invoice.
#[derive(Debug, Clone)]
struct Paid {
    amount: Kopecks,
    refunded: Kopecks,
    period: Period,
    lines: Vec<Kopecks>,
    whole_period: bool,
}

struct World {
    plans: Vec<(PlanId, PlanTerms)>,
    settings: SubscriptionSettings,
    subscription: Subscription,
    pending: BTreeMap<&'static str, PendingChange>,
    now: DateTime<Utc>,
    /// Whether charges succeed, one after the other.
    luck: Vec<bool>,
    payments: Vec<Paid>,
    /// Periods with access that was paid or granted, in order.
    periods: Vec<Period>,
    bank: Kopecks,
}

fn plan(title: &str, prices: &[i64], min_seats: u32, max_seats: Option<u32>) -> (PlanId, PlanTerms) {
    let prices = PeriodLength::ALL.into_iter().zip(prices.iter().map(|price| Kopecks(*price))).collect();
    let features = serde_json::json!({});
    let terms = PlanTerms {
        title: title.to_owned(),
        prices,
        min_seats,
        max_seats,
        currency: Currency::Rub,
        features,
    };
    terms.check().unwrap();
    (PlanId::generate(&SystemClock), terms)
}

impl World {
    fn new(start: DateTime<Utc>, trial_days: u32, luck: Vec<bool>) -> Self {
        Self {
            plans: vec![
                plan("Старт", &[101, 299, 577, 1_009], 1, Some(20)),
                plan("Про", &[49_900, 142_001], 3, None),
                plan("Всё", &[99_999, 280_003, 550_007, 999_983], 1, None),
            ],
            settings: SubscriptionSettings::default(),
            subscription: Subscription::new(moscow_day(start), trial_days).unwrap(),
            pending: BTreeMap::new(),
            now: start,
            luck,
            payments: Vec::new(),
            periods: Vec::new(),
            bank: Kopecks::ZERO,
        }
    }

    fn today(&self) -> NaiveDate {
        moscow_day(self.now)
    }

    fn version(&self, id: PlanId) -> Option<(PlanId, &PlanTerms)> {
        self.plans.iter().find(|(plan, _)| *plan == id).map(|(plan, terms)| (*plan, terms))
    }

    fn quote(&self, change: Change) -> Option<Quote> {
        let own = self.subscription.terms.and_then(|terms| self.version(terms.plan));
        let wanted = match change {
            Change::Start { plan, .. } | Change::Plan(plan) => self.version(plan),
            Change::Renew => self.pending_plan(),
            Change::Seats(_) | Change::Length(_) => None,
        };
        let pending: Vec<PendingChange> = self.pending.values().copied().collect();
        quote(&self.subscription, change, own, wanted, &pending, self.today()).ok()
    }

    fn pending_plan(&self) -> Option<(PlanId, &PlanTerms)> {
        self.pending.values().find_map(|change| match change {
            PendingChange::Plan(plan) => self.version(*plan),
            _ => None,
        })
    }

    /// Prices a change, checks the quote, pays it, and applies it. Nothing is bought while nothing is sold.
    fn change(&mut self, change: Change) {
        let Some(quote) = self.quote(change).filter(|_| !self.settings.not_sold) else { return };
        assert_eq!(self.quote(change).as_ref(), Some(&quote), "a quote is the same all day");
        let at_the_end_of_the_day = day_start(self.today()) + TimeDelta::days(1) - TimeDelta::microseconds(1);
        let (now, instant) = (self.now, at_the_end_of_the_day);
        self.now = instant;
        assert_eq!(self.quote(change).as_ref(), Some(&quote), "a quote is the same all day");
        self.now = now;
        let sum: i64 = quote.lines.iter().map(|line| line.amount.0).sum();
        assert_eq!(sum, quote.total.0, "lines = total");
        assert!(quote.total >= Kopecks::ZERO);
        assert!(quote.total.is_zero() || quote.total >= Kopecks(100), "the bank takes a rouble or more");
        let pays = |period, whole_period| Paid {
            amount: quote.total,
            refunded: Kopecks::ZERO,
            period,
            lines: quote.lines.iter().map(|line| line.amount).collect(),
            whole_period,
        };
        match quote.effect {
            Effect::Start(terms, period) => {
                self.subscription = self.subscription.started(terms, period.from).unwrap();
                assert_eq!(self.subscription.period, Some(period));
                self.pending.clear();
                self.pay(pays(period, true));
            }
            Effect::Now(terms) => {
                let rest = quote.lines[0].period;
                self.check_difference(&quote, terms);
                self.subscription = self.subscription.changed(terms).unwrap();
                self.pay(pays(rest, false));
            }
            Effect::NextPeriod(change) => {
                assert!(quote.total.is_zero());
                self.pending.insert(change.kind().into(), change);
            }
            Effect::Withdraw(change) => {
                let kind: &'static str = change.kind().into();
                assert!(self.pending.remove(kind).is_some());
            }
            Effect::Renew(terms, period) => {
                self.pay(pays(period, true));
                self.subscription = self.subscription.renewed(terms, period, self.today()).unwrap();
                self.pending.clear();
            }
        }
    }

    /// The surcharge is the days' share of the difference, off by at most half a kopeck before a waiver.
    fn check_difference(&self, quote: &Quote, terms: Terms) {
        let (period, before) = (self.subscription.period.unwrap(), self.subscription.terms.unwrap());
        let line = &quote.lines[0];
        assert_eq!(line.kind, LineKind::Difference);
        let whole = i128::from(terms.total().unwrap().0 - before.total().unwrap().0);
        let exact = whole * i128::from(period.days_left(self.today()));
        let sold = AnchorDay::of(period.from).period_from(period.from, before.length).unwrap().days();
        let days = i128::from(period.days().max(if self.subscription.is_granted { sold } else { 0 }));
        assert!((exact - i128::from(line.amount.0) * days).abs() * 2 <= days);
        assert!(i128::from(line.amount.0) <= whole, "never more than a whole period");
    }

    fn pay(&mut self, paid: Paid) {
        let sum: i64 = paid.lines.iter().map(|line| line.0).sum();
        assert_eq!(sum, paid.amount.0);
        self.bank = self.bank.checked_add(paid.amount).unwrap();
        if paid.whole_period {
            self.add_period(paid.period);
        }
        self.payments.push(paid);
    }

    fn add_period(&mut self, period: Period) {
        if let Some(last) = self.periods.last() {
            assert!(last.until <= period.from, "paid days overlap: {last:?}, {period:?}");
        }
        self.periods.push(period);
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Start { plan, seats, length } => self.change(Change::Start {
                plan: self.plans[*plan].0,
                seats: *seats,
                length: PeriodLength::ALL[*length],
            }),
            Step::Seats(seats) => self.change(Change::Seats(*seats)),
            Step::Plan(plan) => self.change(Change::Plan(self.plans[*plan].0)),
            Step::Length(length) => self.change(Change::Length(PeriodLength::ALL[*length])),
            Step::Renew => self.change(Change::Renew),
            Step::Cancel => {
                if let Ok((cancelled, _)) = self.subscription.cancelled(self.today()) {
                    self.subscription = cancelled;
                    self.pending.clear();
                }
            }
            Step::Restore => {
                if let Ok(restored) = self.subscription.restored() {
                    self.subscription = restored;
                }
            }
            Step::Bonus(days) => self.grant(*days),
            Step::Refund { pick, kopecks } => self.refund(*pick, kopecks.map(Kopecks)),
            Step::Wait { hours } => self.wait(TimeDelta::hours(*hours)),
            Step::Sell(sells) => {
                self.settings.not_sold = !sells;
                self.wait(TimeDelta::zero());
            }
        }
        self.check();
    }

    fn grant(&mut self, days: u32) {
        let before = self.subscription.clone();
        let Ok(granted) = self.subscription.with_bonus(days, self.today()) else { return };
        self.subscription = granted;
        let (Some(period), Some(last)) = (self.subscription.period, self.periods.last_mut()) else { return };
        if before.period.is_some_and(|former| former.from == period.from) {
            last.until = period.until;
        } else if before.period != Some(period) {
            self.add_period(period);
        }
    }

    fn refund(&mut self, pick: usize, wanted: Option<Kopecks>) {
        let Some(index) = pick.checked_rem(self.payments.len()) else { return };
        let today = self.today();
        let paid = &mut self.payments[index];
        let rule = RefundableInvoice { paid: paid.amount, refunded: paid.refunded, period: paid.period };
        let share = rule.fair_share(today).unwrap();
        assert!(share >= Kopecks::ZERO && share <= rule.left().unwrap());
        let Ok((amount, _)) = rule.check(wanted) else { return };
        paid.refunded = paid.refunded.checked_add(amount).unwrap();
        assert!(paid.refunded <= paid.amount, "credit above what was paid");
        self.bank = self.bank.checked_sub(amount).unwrap();
    }

    /// Moves the time and performs what becomes due, as the scheduler does, or did not for a while.
    fn wait(&mut self, by: TimeDelta) {
        self.now += by;
        for _ in 0..100 {
            match self.subscription.due_step(self.now, &self.settings) {
                DueStep::Expire if self.settings.not_sold => {
                    self.subscription = self.subscription.renewal_withdrawn().unwrap();
                }
                step if self.settings.not_sold && step.needs_sale() => return,
                DueStep::Wait(at) => {
                    assert!(at > self.now, "a step that is due does not wait");
                    return;
                }
                DueStep::Idle => return,
                DueStep::RemindTrial(days) | DueStep::RemindCharge(days) => {
                    assert!(self.subscription.reminded_days.is_none_or(|reminded| days < reminded));
                    self.subscription.reminded_days = Some(days);
                }
                DueStep::EndTrial => self.subscription = self.subscription.trial_ended().unwrap(),
                DueStep::Advance(period) => {
                    let terms = self.subscription.terms.unwrap();
                    self.subscription = self.subscription.advanced(terms, period).unwrap();
                }
                DueStep::Renew => self.renew(),
                DueStep::EndCancelled => self.subscription = self.subscription.ended(EndReason::Cancelled),
                DueStep::Expire => self.subscription = self.subscription.ended(EndReason::Unpaid),
                DueStep::AskPerson => self.subscription.needs_person = true,
            }
        }
        panic!("the scheduler does not come to rest: {:?}", self.subscription);
    }

    fn renew(&mut self) {
        let (terms, period) = (self.subscription.terms.unwrap(), self.subscription.period.unwrap());
        let own = self.version(terms.plan).unwrap().1.clone();
        let next = self.pending_plan().map(|(_, plan)| plan.clone());
        let pending: Vec<PendingChange> = self.pending.values().copied().collect();
        let terms = NextTerms::resolve(terms, &pending, &own, next.as_ref()).terms;
        let next = self.subscription.anchor.unwrap().period_from(period.until, terms.length).unwrap();
        assert!(self.today() < next.until, "a charge for days that are gone: {next:?} on {}", self.today());
        self.subscription = self.subscription.renewal_opened(true).unwrap();
        if self.luck.pop().unwrap_or(true) {
            self.pending.clear();
            let amount = terms.total().unwrap();
            self.pay(Paid {
                amount,
                refunded: Kopecks::ZERO,
                period: next,
                lines: vec![amount],
                whole_period: true,
            });
            self.subscription = self.subscription.renewed(terms, next, self.today()).unwrap();
        } else {
            self.subscription = self.subscription.charge_failed();
        }
    }

    /// What must hold after each step.
    fn check(&self) {
        let held: i64 = self.payments.iter().map(|paid| paid.amount.0 - paid.refunded.0).sum();
        assert_eq!(held, self.bank.0, "kopecks drift");
        for pair in self.periods.windows(2) {
            assert!(pair[0].until <= pair[1].from, "paid days overlap");
        }
        let access = self.subscription.access(self.now, &self.settings);
        let works = matches!(access.level, AccessLevel::Allowed | AccessLevel::Grace);
        let today = self.today();
        let bought = self.periods.iter().any(|period| period.contains(today));
        let in_trial = self.subscription.trial.is_some_and(|trial| trial.contains(today));
        let grace = self.subscription.grace_until(&self.settings).is_some_and(|until| today < until);
        let ended =
            matches!(self.subscription.state, SubscriptionState::Expired | SubscriptionState::Cancelled);
        let is_free = access.reason == AccessReason::NotSold;
        assert_eq!(is_free, self.settings.not_sold);
        if works && !is_free {
            let reviewed = self.subscription.needs_person;
            assert!(bought || in_trial || grace || reviewed, "works without a reason: {access:?}");
        }
        if self.subscription.state == SubscriptionState::Active && bought {
            assert_eq!(access.level, AccessLevel::Allowed, "paid, but not allowed");
            assert!(!self.subscription.needs_person, "under review, but nothing is unpaid");
        }
        if ended && !is_free {
            assert!(!works, "an ended subscription works: {:?}", self.subscription);
        }
        if let Some(until) = access.until {
            assert!(until > self.now, "access ends in the past");
        }
        if let (Some(terms), Some(period)) = (self.subscription.terms, self.subscription.period) {
            assert!(period.days() > 0 && terms.total().unwrap().is_positive());
        }
        let next = self.subscription.prepaid.zip(self.subscription.period);
        assert!(next.is_none_or(|(next, period)| next.from == period.until), "gap before a paid period");
    }
}

fn run(steps: &[Step], start_hours: i64, trial_days: u32, luck: Vec<bool>) {
    let start = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
    let mut world = World::new(day_start(start) + TimeDelta::hours(start_hours), trial_days, luck);
    world.check();
    for step in steps {
        world.perform(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_the_charge_and_paid_days_neither_overlap_nor_drift(
        (steps, start_hours, trial_days, luck) in timeline(),
    ) {
        run(&steps, start_hours, trial_days, luck);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "takes minutes: 100,000 timelines"]
    fn a_hundred_thousand_timelines_keep_every_invariant((steps, start_hours, trial_days, luck) in timeline()) {
        run(&steps, start_hours, trial_days, luck);
    }
}
