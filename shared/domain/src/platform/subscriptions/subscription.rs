//! State of a subscription and its transitions. Each transition returns the new state or says why it is not possible.

use chrono::NaiveDate;

use super::calendar::{AnchorDay, Period};
use super::plan::Terms;
use crate::UnknownText;
use crate::money::OutOfRange;

/// State of a subscription. Whether the account may use the widget is another question: [`super::Access`].
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubscriptionState {
    /// The trial runs; nothing was bought yet.
    Trialing,
    /// The trial is over, or there was none, and nothing was bought yet.
    TrialEnded,
    /// The current period is paid, or granted by an operator.
    Active,
    /// The period is over; the card is being charged for the next one.
    Renewing,
    /// The period is over and the next one is not paid: a charge failed, or there is no card.
    PastDue,
    /// Ended because the next period was not paid in time.
    Expired,
    /// Ended by the customer or by an operator.
    Cancelled,
}

impl SubscriptionState {
    /// Whether a period may be bought as a new start.
    pub const fn can_start(self) -> bool {
        matches!(self, Self::Trialing | Self::TrialEnded | Self::Expired | Self::Cancelled)
    }

    /// Whether an invoice for the next period is open.
    pub const fn awaits_renewal(self) -> bool {
        matches!(self, Self::Renewing | Self::PastDue)
    }

    /// Label in Russian, for users.
    pub const fn label_ru(self) -> &'static str {
        match self {
            Self::Trialing => "Пробный период",
            Self::TrialEnded => "Пробный период закончился",
            Self::Active => "Подписка активна",
            Self::Renewing => "Продлеваем подписку",
            Self::PastDue => "Подписка не оплачена",
            Self::Expired => "Подписка закончилась",
            Self::Cancelled => "Подписка отменена",
        }
    }
}

/// A subscription: one per install, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Apart from access, which [`Subscription::access`] computes.
    pub state: SubscriptionState,
    /// The trial, past or running. An account has one per widget, once.
    pub trial: Option<Period>,
    /// Terms of the current or last period.
    pub terms: Option<Terms>,
    /// Day of the month on which periods begin.
    pub anchor: Option<AnchorDay>,
    /// Number of the current or last period; 0 before the first.
    pub period_no: u32,
    /// The current or last period.
    pub period: Option<Period>,
    /// The next period, if it is already paid.
    pub prepaid: Option<Period>,
    /// Whether the current period was granted by an operator and not paid.
    pub is_granted: bool,
    /// Whether the subscription ends with its period.
    pub cancels: bool,
    /// Days before the coming boundary of the last reminder about it.
    pub reminded_days: Option<u32>,
    /// Whether a person must decide, because more than one boundary went by unpaid.
    pub needs_person: bool,
    /// Last day of automatic charges of the open renewal, or of the time that an operator gave to pay it.
    pub last_charge_on: Option<NaiveDate>,
}

/// Why a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The next period was not paid.
    Unpaid,
    /// The customer or an operator ended it.
    Cancelled,
}

/// Effect of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The subscription ends before this day; until then the cancellation can be revoked.
    AtPeriodEnd(NaiveDate),
    /// Ended at once; the open invoice has to be voided.
    Now,
}

/// Why a transition is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    /// There is nothing to cancel.
    #[error("there is no paid subscription to cancel")]
    NothingToCancel,
    /// The subscription is already cancelled.
    #[error("the subscription is already cancelled")]
    AlreadyCancelled,
    /// The subscription is not cancelled, or has already ended.
    #[error("there is no cancellation to revoke")]
    NothingToRestore,
    /// The state does not allow it.
    #[error("the subscription is {0}, which does not allow this")]
    WrongState(SubscriptionState),
    /// A date or an amount does not fit.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Subscription {
    /// A new subscription with a trial of `trial_days` days after the day of its start, which is not counted.
    pub fn new(today: NaiveDate, trial_days: u32) -> Result<Self, OutOfRange> {
        let trial = match trial_days.checked_add(1) {
            Some(1) => None,
            Some(days) => Some(Period::of_days(today, days)?),
            None => return Err(OutOfRange),
        };
        Ok(Self {
            state: if trial.is_some() { SubscriptionState::Trialing } else { SubscriptionState::TrialEnded },
            trial,
            terms: None,
            anchor: None,
            period_no: 0,
            period: None,
            prepaid: None,
            is_granted: false,
            cancels: false,
            reminded_days: None,
            needs_person: false,
            last_charge_on: None,
        })
    }

    /// The end of everything that is paid or granted so far.
    pub fn paid_until(&self) -> Option<NaiveDate> {
        self.prepaid.or(self.period).map(|period| period.until)
    }

    /// The day of the first charge for the next period, Moscow; it is the boundary until a renewal is open. `None` if nothing is
    /// going to be charged.
    pub fn next_charge_on(&self) -> Option<NaiveDate> {
        match self.state {
            SubscriptionState::Active => self.period.map(|period| period.until),
            SubscriptionState::Renewing => self.last_charge_on,
            _ => None,
        }
    }

    /// Starts a first period, or a new one after an end. The trial is over with it: periods are anchored to this day.
    pub fn started(&self, terms: Terms, from: NaiveDate) -> Result<Self, ChangeRefusal> {
        if !self.state.can_start() {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        let anchor = AnchorDay::of(from);
        let period = anchor.period_from(from, terms.length)?;
        Ok(Self {
            state: SubscriptionState::Active,
            terms: Some(terms),
            anchor: Some(anchor),
            period_no: self.next_period_no()?,
            period: Some(period),
            ..self.with_boundary_passed()
        })
    }

    /// Takes the next period as paid: at once if the current one is over, otherwise when it ends.
    pub fn renewed(&self, terms: Terms, period: Period, today: NaiveDate) -> Result<Self, ChangeRefusal> {
        let live = self.state == SubscriptionState::Active || self.state.awaits_renewal();
        if !live || self.prepaid.is_some() || self.period.is_none_or(|current| current.until != period.from) {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        if self.state == SubscriptionState::Active && today < period.from {
            return Ok(Self { prepaid: Some(period), ..self.clone() });
        }
        self.advanced(terms, period)
    }

    /// Begins the next period, which is paid.
    pub fn advanced(&self, terms: Terms, period: Period) -> Result<Self, ChangeRefusal> {
        Ok(Self {
            state: SubscriptionState::Active,
            terms: Some(terms),
            period_no: self.next_period_no()?,
            period: Some(period),
            cancels: self.cancels && self.state == SubscriptionState::Active,
            ..self.with_boundary_passed()
        })
    }

    /// The invoice of the next period was written. Without a card that may be charged the customer has to pay it.
    pub fn renewal_opened(&self, charged: bool) -> Result<Self, ChangeRefusal> {
        if self.state != SubscriptionState::Active {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        let state = if charged { SubscriptionState::Renewing } else { SubscriptionState::PastDue };
        Ok(Self { state, ..self.clone() })
    }

    /// A charge of the next period failed.
    #[must_use]
    pub fn charge_failed(&self) -> Self {
        let state =
            if self.state == SubscriptionState::Renewing { SubscriptionState::PastDue } else { self.state };
        Self { state, ..self.clone() }
    }

    /// Changes plan or seats within the current period.
    pub fn changed(&self, terms: Terms) -> Result<Self, ChangeRefusal> {
        if self.state != SubscriptionState::Active {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        Ok(Self { terms: Some(terms), ..self.clone() })
    }

    /// Cancels on a day: at the end of a paid period, at once while the next one is unpaid. A period may be over although the
    /// subscription is active: its boundary waits while the widget sells no subscriptions.
    pub fn cancelled(&self, today: NaiveDate) -> Result<(Self, CancelOutcome), ChangeRefusal> {
        match (self.state, self.paid_until()) {
            (SubscriptionState::Active, Some(_)) if self.cancels => Err(ChangeRefusal::AlreadyCancelled),
            (SubscriptionState::Active, Some(until)) if until <= today => {
                Ok((self.ended(EndReason::Cancelled), CancelOutcome::Now))
            }
            (SubscriptionState::Active, Some(until)) => {
                Ok((Self { cancels: true, ..self.clone() }, CancelOutcome::AtPeriodEnd(until)))
            }
            (SubscriptionState::Renewing | SubscriptionState::PastDue, _) => {
                Ok((self.ended(EndReason::Cancelled), CancelOutcome::Now))
            }
            _ => Err(ChangeRefusal::NothingToCancel),
        }
    }

    /// Revokes a cancellation before it takes effect.
    pub fn restored(&self) -> Result<Self, ChangeRefusal> {
        if self.state == SubscriptionState::Active && self.cancels {
            Ok(Self { cancels: false, ..self.clone() })
        } else {
            Err(ChangeRefusal::NothingToRestore)
        }
    }

    /// Ends the subscription. Its periods remain as history.
    #[must_use]
    pub fn ended(&self, reason: EndReason) -> Self {
        let state = match reason {
            EndReason::Unpaid => SubscriptionState::Expired,
            EndReason::Cancelled => SubscriptionState::Cancelled,
        };
        Self { state, prepaid: None, cancels: false, ..self.with_boundary_passed() }
    }

    /// State after the last day of the trial. Refused unless a trial runs.
    pub fn trial_ended(&self) -> Result<Self, ChangeRefusal> {
        if self.state != SubscriptionState::Trialing {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        Ok(Self { state: SubscriptionState::TrialEnded, ..self.with_boundary_passed() })
    }

    /// Reopens an expired subscription, because the money for its next period arrived after all.
    pub fn reopened(&self, terms: Terms, period: Period) -> Result<Self, ChangeRefusal> {
        if self.state != SubscriptionState::Expired {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        self.advanced(terms, period)
    }

    fn next_period_no(&self) -> Result<u32, OutOfRange> {
        self.period_no.checked_add(1).ok_or(OutOfRange)
    }

    /// Forgets what concerned only the boundary that has passed.
    fn with_boundary_passed(&self) -> Self {
        Self {
            prepaid: None,
            is_granted: false,
            reminded_days: None,
            needs_person: false,
            last_charge_on: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::calendar::PeriodLength;
    use super::*;
    use crate::SystemClock;
    use crate::id::PlanId;
    use crate::money::Kopecks;

    pub(in super::super) fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    pub(in super::super) fn terms(seats: u32) -> Terms {
        let plan = PlanId::generate(&SystemClock);
        Terms { plan, seat_price: Kopecks(30_000), seats, length: PeriodLength::Month }
    }

    pub(in super::super) fn active(from: &str) -> Subscription {
        Subscription::new(day(from), 0).unwrap().started(terms(3), day(from)).unwrap()
    }

    #[test]
    fn a_trial_lasts_whole_days_after_the_day_of_its_start() {
        let subscription = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert_eq!(subscription.state, SubscriptionState::Trialing);
        assert_eq!(subscription.trial.unwrap().until, day("2026-12-16"));
        let without = Subscription::new(day("2026-12-01"), 0).unwrap();
        assert_eq!((without.state, without.trial), (SubscriptionState::TrialEnded, None));
    }

    #[test]
    fn buying_in_a_trial_ends_it_and_anchors_to_that_day() {
        let bought = Subscription::new(day("2027-01-20"), 14).unwrap().started(terms(1), day("2027-01-31"));
        let bought = bought.unwrap();
        assert_eq!((bought.state, bought.period_no), (SubscriptionState::Active, 1));
        assert_eq!(bought.period, Some(Period::new(day("2027-01-31"), day("2027-02-28")).unwrap()));
        assert_eq!(bought.anchor.map(AnchorDay::day), Some(31));
        assert!(bought.started(terms(1), day("2027-02-01")).is_err());
    }

    #[test]
    fn a_renewal_paid_late_keeps_the_period_where_it_was() {
        let past_due = active("2026-12-01").renewal_opened(true).unwrap().charge_failed();
        assert_eq!(past_due.state, SubscriptionState::PastDue);
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let renewed = past_due.renewed(terms(2), next, day("2027-01-09")).unwrap();
        assert_eq!(
            (renewed.state, renewed.period, renewed.period_no),
            (SubscriptionState::Active, Some(next), 2)
        );
        let gap = Period::new(day("2027-01-02"), day("2027-02-02")).unwrap();
        assert!(past_due.renewed(terms(2), gap, day("2027-01-09")).is_err());
    }

    #[test]
    fn a_renewal_paid_early_waits_for_its_day() {
        let active = active("2026-12-01");
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let prepaid = active.renewed(terms(5), next, day("2026-12-20")).unwrap();
        assert_eq!((prepaid.period, prepaid.terms), (active.period, active.terms));
        assert_eq!((prepaid.prepaid, prepaid.paid_until()), (Some(next), Some(next.until)));
        assert!(prepaid.renewed(terms(5), next, day("2026-12-21")).is_err(), "a period is paid once");
        let advanced = prepaid.advanced(terms(5), next).unwrap();
        assert_eq!((advanced.period, advanced.prepaid, advanced.period_no), (Some(next), None, 2));
    }

    #[test]
    fn a_cancellation_waits_for_the_period_unless_it_is_unpaid() {
        let active = active("2026-12-01");
        let (cancelled, outcome) = active.cancelled(day("2026-12-31")).unwrap();
        assert_eq!(outcome, CancelOutcome::AtPeriodEnd(day("2027-01-01")));
        assert_eq!(cancelled.state, SubscriptionState::Active);
        assert_eq!(cancelled.cancelled(day("2026-12-31")), Err(ChangeRefusal::AlreadyCancelled));
        assert_eq!(cancelled.restored().unwrap(), active);
        assert_eq!(active.restored(), Err(ChangeRefusal::NothingToRestore));

        let (ended, outcome) = active.renewal_opened(true).unwrap().cancelled(day("2027-01-01")).unwrap();
        assert_eq!((ended.state, outcome), (SubscriptionState::Cancelled, CancelOutcome::Now));
        assert_eq!(ended.restored(), Err(ChangeRefusal::NothingToRestore));
        let (over, outcome) = active.cancelled(day("2027-01-01")).unwrap();
        assert_eq!(
            (over.state, outcome),
            (SubscriptionState::Cancelled, CancelOutcome::Now),
            "its period is over"
        );
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert_eq!(trial.cancelled(day("2026-12-02")), Err(ChangeRefusal::NothingToCancel));
    }

    #[test]
    fn a_failure_never_revives_and_only_an_expired_subscription_reopens() {
        let active = active("2026-12-01");
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let unpaid = active.renewal_opened(false).unwrap();
        let expired = unpaid.ended(EndReason::Unpaid);
        assert_eq!(expired.charge_failed().state, SubscriptionState::Expired);
        assert!(expired.renewed(terms(3), next, day("2027-01-20")).is_err());
        assert_eq!(expired.reopened(terms(3), next).unwrap().period, Some(next));
        assert!(unpaid.ended(EndReason::Cancelled).reopened(terms(3), next).is_err());
    }
}
