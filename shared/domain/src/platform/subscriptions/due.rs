//! The next step of a subscription, and the time when it is due.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::calendar::{Period, day_start, moscow_day};
use super::dunning::MAX_NOTICE_DAYS;
use super::reminder::{TRIAL_REMINDER_DAYS, charge_reminder_days};
use super::settings::SubscriptionSettings;
use super::subscription::{ChangeRefusal, Subscription, SubscriptionState};

/// Time of day of reminders in Moscow: 10:00, in the daytime of most of the country.
const REMINDER_TIME: TimeDelta = TimeDelta::hours(10);

/// What a subscription needs now, or when it needs something next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueStep {
    /// Nothing now; the next step is due at this time.
    Wait(DateTime<Utc>),
    /// Nothing, until something happens.
    Idle,
    /// Remind of the end of the trial, this many days before it.
    RemindTrial(u32),
    /// Remind of the charge at the end of the period, this many days before it.
    RemindCharge(u32),
    /// The trial is over and nothing was bought.
    EndTrial,
    /// Begin the next period, which is already paid.
    Advance(Period),
    /// Write the invoice of the next period.
    Renew,
    /// End the cancelled subscription.
    EndCancelled,
    /// End the unpaid subscription.
    Expire,
    /// The boundary went by so long ago that the next period cannot be paid in time: a person must decide.
    AskPerson,
}

impl DueStep {
    /// Whether the step waits while the widget sells no subscriptions and access is free: it reminds of a payment, asks for one, or
    /// follows from a missing one. A period that is paid begins nevertheless, and a cancellation takes effect on its day.
    pub const fn needs_sale(self) -> bool {
        match self {
            Self::RemindTrial(_)
            | Self::RemindCharge(_)
            | Self::EndTrial
            | Self::Renew
            | Self::Expire
            | Self::AskPerson => true,
            Self::Wait(_) | Self::Idle | Self::Advance(_) | Self::EndCancelled => false,
        }
    }
}

impl Subscription {
    /// The step that is due at `now`.
    ///
    /// After a stop of the scheduler one period is caught up, as long as it can still be paid in its grace. After that,
    /// invoices would be written for time in which nobody was asked: a person decides instead.
    pub fn due_step(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> DueStep {
        match self.state {
            SubscriptionState::Trialing => self.due_in_trial(now),
            SubscriptionState::Active => self.due_in_period(now, settings),
            SubscriptionState::Renewing | SubscriptionState::PastDue => self.due_after_period(now, settings),
            SubscriptionState::TrialEnded | SubscriptionState::Expired | SubscriptionState::Cancelled => {
                DueStep::Idle
            }
        }
    }

    fn due_in_trial(&self, now: DateTime<Utc>) -> DueStep {
        let Some(trial) = self.trial else { return DueStep::EndTrial };
        if moscow_day(now) >= trial.until {
            return DueStep::EndTrial;
        }
        match self.due_reminder(now, trial, TRIAL_REMINDER_DAYS) {
            Ok(days) => DueStep::RemindTrial(days),
            Err(next) => DueStep::Wait(next),
        }
    }

    fn due_in_period(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> DueStep {
        let Some(period) = self.period else { return DueStep::Idle };
        let today = moscow_day(now);
        if today >= period.until {
            return match self.prepaid {
                Some(next) => DueStep::Advance(next),
                None if self.cancels => DueStep::EndCancelled,
                None if self.needs_person => DueStep::Idle,
                None if self.is_lapsed(today, settings) => DueStep::AskPerson,
                None => DueStep::Renew,
            };
        }
        let (Some(terms), false, None) = (self.terms, self.cancels, self.prepaid) else {
            return DueStep::Wait(period.ends_at());
        };
        match self.due_reminder(now, period, charge_reminder_days(terms.length)) {
            Ok(days) => DueStep::RemindCharge(days),
            Err(next) => DueStep::Wait(next),
        }
    }

    /// Whether the next period, or its grace, would be over today as well, so that nobody could pay it in time: without a
    /// reminder yet, the card is charged only after it, see [`super::ChargePlan::announced`].
    fn is_lapsed(&self, today: NaiveDate, settings: &SubscriptionSettings) -> bool {
        let (Some(period), Some(anchor), Some(terms)) = (self.period, self.anchor, self.terms) else {
            return true;
        };
        let notice = if self.reminded_days.is_some() { 0 } else { MAX_NOTICE_DAYS };
        let paid_on = today.checked_add_days(Days::new(notice)).unwrap_or(today);
        let is_over = anchor.period_from(period.until, terms.length).is_ok_and(|next| paid_on >= next.until);
        // Without grace there is still the day of the boundary itself.
        is_over || self.grace_until(settings).is_some_and(|until| today > until)
    }

    fn due_after_period(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> DueStep {
        match self.expires_on(settings) {
            Some(day) if moscow_day(now) < day => DueStep::Wait(day_start(day)),
            Some(_) => DueStep::Expire,
            None => DueStep::Idle,
        }
    }

    /// Day on which an unpaid subscription ends: after its grace and after its last automatic charge, but not after the
    /// next boundary, because a second period is never invoiced while one is unpaid.
    pub fn expires_on(&self, settings: &SubscriptionSettings) -> Option<NaiveDate> {
        let grace = self.grace_until(settings)?;
        let charged = self.last_charge_on.and_then(|day| day.checked_add_days(Days::new(1)));
        let until = charged.map_or(grace, |charged| charged.max(grace));
        let boundary = self.period.zip(self.anchor).zip(self.terms).and_then(|((period, anchor), terms)| {
            anchor.period_from(period.until, terms.length).ok().map(|next| next.until)
        });
        Some(boundary.map_or(until, |boundary| until.min(boundary)))
    }

    /// The reminder that is due, or the time of the next reminder or of the boundary.
    fn due_reminder(&self, now: DateTime<Utc>, period: Period, days: &[u32]) -> Result<u32, DateTime<Utc>> {
        let mut next = period.ends_at();
        // Ascending: the latest reminder that is due replaces those that were missed.
        for &before in days.iter().rev() {
            if self.reminded_days.is_some_and(|reminded| reminded <= before) {
                continue;
            }
            let at = period.ends_at() - TimeDelta::days(before.into()) + REMINDER_TIME;
            // A reminder before the period began, or on its first day, would repeat what the customer has just done.
            if moscow_day(at) <= period.from {
                continue;
            }
            if at <= now {
                return Ok(before);
            }
            next = next.min(at);
        }
        Err(next)
    }

    /// Whether it is too late to charge the card for the next period: its end, or the question to a person, is due. The charge would
    /// be for days in which nobody was asked, or which are gone.
    pub fn is_too_late_to_charge(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> bool {
        matches!(self.due_step(now, settings), DueStep::Expire | DueStep::AskPerson)
    }

    /// Withdraws the open renewal, whose invoice the caller voids: the boundary waits again, as before the invoice was written.
    ///
    /// # Errors
    ///
    /// No renewal is open.
    pub fn renewal_withdrawn(&self) -> Result<Self, ChangeRefusal> {
        if !self.state.awaits_renewal() {
            return Err(ChangeRefusal::WrongState(self.state));
        }
        Ok(Self { state: SubscriptionState::Active, last_charge_on: None, ..self.clone() })
    }

    /// The time of the next step, to be stored; `None` if only a person or a payment can go on.
    pub fn next_due_at(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> Option<DateTime<Utc>> {
        match self.due_step(now, settings) {
            DueStep::Wait(at) => Some(at),
            DueStep::Idle => None,
            _ => Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::AccessReason;
    use super::super::subscription::EndReason;
    use super::super::subscription::tests::{active, day};
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        time.parse().unwrap()
    }

    fn step(subscription: &Subscription, now: &str) -> DueStep {
        subscription.due_step(now.parse().unwrap(), &SubscriptionSettings::default())
    }

    #[test]
    fn a_month_is_reminded_once_and_renewed_at_midnight() {
        let mut active = active("2026-12-01");
        assert_eq!(
            step(&active, "2026-12-05T00:00:00Z"),
            DueStep::Wait("2026-12-29T07:00:00Z".parse().unwrap())
        );
        assert_eq!(
            step(&active, "2026-12-29T06:59:59Z"),
            DueStep::Wait("2026-12-29T07:00:00Z".parse().unwrap())
        );
        assert_eq!(step(&active, "2026-12-29T07:00:00Z"), DueStep::RemindCharge(3));
        active.reminded_days = Some(3);
        assert_eq!(
            step(&active, "2026-12-29T07:00:01Z"),
            DueStep::Wait("2026-12-31T21:00:00Z".parse().unwrap())
        );
        assert_eq!(
            step(&active, "2026-12-31T20:59:59Z"),
            DueStep::Wait("2026-12-31T21:00:00Z".parse().unwrap())
        );
        assert_eq!(step(&active, "2026-12-31T21:00:00Z"), DueStep::Renew);
    }

    #[test]
    fn one_missed_period_is_caught_up_and_then_a_person_is_asked() {
        let mut active = active("2026-12-01");
        active.reminded_days = Some(3);
        assert_eq!(step(&active, "2027-01-15T20:59:59Z"), DueStep::Renew);
        assert_eq!(step(&active, "2027-01-15T21:00:00Z"), DueStep::AskPerson);
        let long = SubscriptionSettings { grace_days: 60, ..SubscriptionSettings::default() };
        let at = |now: &str| active.due_step(now.parse().unwrap(), &long);
        assert_eq!(at("2027-01-31T20:59:59Z"), DueStep::Renew);
        assert_eq!(at("2027-01-31T21:00:00Z"), DueStep::AskPerson, "two boundaries went by");
        active.needs_person = true;
        assert_eq!(step(&active, "2027-01-31T21:00:00Z"), DueStep::Idle);
        let (cancelled, _) = active.cancelled(day("2026-12-05")).unwrap();
        assert_eq!(step(&cancelled, "2027-05-01T00:00:00Z"), DueStep::EndCancelled);
        // The reminder of the charge and the charge still fit into the period, and then they do not.
        active = Subscription { reminded_days: None, needs_person: false, ..active };
        assert_eq!(step(&active, "2027-01-15T20:59:59Z"), DueStep::Renew);
        let at = |now: &str| active.due_step(now.parse().unwrap(), &long);
        assert_eq!(at("2027-01-29T20:59:59Z"), DueStep::Renew);
        assert_eq!(at("2027-01-29T21:00:00Z"), DueStep::AskPerson);
    }

    #[test]
    fn a_trial_is_reminded_twice_and_a_missed_reminder_is_not_repeated() {
        let mut trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert_eq!(
            step(&trial, "2026-12-01T12:00:00Z"),
            DueStep::Wait("2026-12-13T07:00:00Z".parse().unwrap())
        );
        assert_eq!(step(&trial, "2026-12-13T07:00:00Z"), DueStep::RemindTrial(3));
        assert_eq!(step(&trial, "2026-12-15T10:00:00Z"), DueStep::RemindTrial(1));
        trial.reminded_days = Some(1);
        assert_eq!(
            step(&trial, "2026-12-15T10:00:00Z"),
            DueStep::Wait("2026-12-15T21:00:00Z".parse().unwrap())
        );
        assert_eq!(step(&trial, "2026-12-15T21:00:00Z"), DueStep::EndTrial);
        let short = Subscription::new(day("2026-12-01"), 1).unwrap();
        assert_eq!(
            step(&short, "2026-12-01T12:00:00Z"),
            DueStep::Wait("2026-12-02T07:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn an_unpaid_subscription_ends_after_grace_and_last_charge_but_not_after_the_next_boundary() {
        let settings = SubscriptionSettings::default();
        let mut unpaid = active("2026-12-01").renewal_opened(false).unwrap();
        assert_eq!(unpaid.expires_on(&settings), Some(day("2027-01-15")));
        assert_eq!(
            step(&unpaid, "2027-01-14T20:59:59Z"),
            DueStep::Wait("2027-01-14T21:00:00Z".parse().unwrap())
        );
        unpaid.last_charge_on = Some(day("2027-01-15"));
        assert_eq!(unpaid.expires_on(&settings), Some(day("2027-01-16")));
        assert_eq!(step(&unpaid, "2027-01-15T21:00:00Z"), DueStep::Expire);
        let long = SubscriptionSettings { grace_days: 60, ..settings };
        assert_eq!(unpaid.expires_on(&long), Some(day("2027-02-01")));
    }

    #[test]
    fn a_charge_that_waits_for_its_reminder_does_not_end_the_access() {
        let settings = SubscriptionSettings::default();
        let renewing = Subscription {
            last_charge_on: Some(day("2027-01-17")),
            ..active("2026-12-01").renewal_opened(true).unwrap()
        };
        let reason = |now: &str| renewing.access(now.parse().unwrap(), &settings).reason;
        // Its grace is over on 15 January.
        assert_eq!(reason("2027-01-17T20:59:59Z"), AccessReason::Renewing);
        assert_eq!(step(&renewing, "2027-01-17T20:59:59Z"), DueStep::Wait(at("2027-01-17T21:00:00Z")));
        assert_eq!(reason("2027-01-17T21:00:00Z"), AccessReason::PaymentOverdue);
        assert_eq!(step(&renewing, "2027-01-17T21:00:00Z"), DueStep::Expire);
        let failed = renewing.charge_failed();
        let access = failed.access(at("2027-01-16T09:00:00Z"), &settings);
        assert_eq!(access.reason, AccessReason::PaymentOverdue);
        assert!(!access.level.works(), "grace is apart from the charges after a refusal");
    }

    /// It could not be paid up to its end, because the widget sold no subscriptions.
    #[test]
    fn a_withdrawn_renewal_is_opened_again_on_the_last_day_of_its_grace_and_then_a_person_is_asked() {
        let settings = SubscriptionSettings::default();
        let active = Subscription { reminded_days: Some(3), ..active("2026-12-01") };
        for is_charged in [true, false] {
            let open = active.renewal_opened(is_charged).unwrap();
            let open = Subscription { last_charge_on: Some(day("2027-01-01")), ..open };
            let withdrawn = open.renewal_withdrawn().unwrap();
            assert_eq!(withdrawn, active);
            assert_eq!(step(&withdrawn, "2027-01-14T21:00:00Z"), DueStep::Renew);
            assert_eq!(step(&withdrawn, "2027-01-15T21:00:00Z"), DueStep::AskPerson);
            for (open, now, is_too_late) in [
                (&open, "2027-01-14T20:59:59Z", false),
                (&open, "2027-01-14T21:00:00Z", true),
                (&withdrawn, "2027-01-15T20:59:59Z", false),
                (&withdrawn, "2027-03-05T09:00:00Z", true),
            ] {
                assert_eq!(open.is_too_late_to_charge(at(now), &settings), is_too_late, "{now}");
            }
        }
        assert!(active.renewal_withdrawn().is_err());
        assert!(active.ended(EndReason::Unpaid).renewal_withdrawn().is_err());
    }

    #[test]
    fn a_paid_next_period_begins_without_an_invoice() {
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let active = active("2026-12-01");
        let prepaid = active.renewed(active.terms.unwrap(), next, day("2026-12-10")).unwrap();
        assert_eq!(
            step(&prepaid, "2026-12-30T12:00:00Z"),
            DueStep::Wait("2026-12-31T21:00:00Z".parse().unwrap())
        );
        assert_eq!(step(&prepaid, "2026-12-31T21:00:00Z"), DueStep::Advance(next));
    }
}
