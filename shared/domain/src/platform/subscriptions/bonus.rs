//! Bonus days: an operator's gift that moves the next boundary once, and the anchor with it.

use chrono::NaiveDate;

use super::calendar::{AnchorDay, Period};
use super::subscription::{Subscription, SubscriptionState};
use crate::money::OutOfRange;

/// Maximum number of days of one grant: a year.
pub const MAX_BONUS_DAYS_PER_GRANT: u32 = 366;

/// Why bonus days cannot be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BonusRefusal {
    /// Number of days out of range.
    #[error("bonus days are 1 to {MAX_BONUS_DAYS_PER_GRANT}")]
    Days,
    /// An invoice for the next period is open, whose dates are frozen.
    #[error("the invoice of the next period is open: void it first, or wait until it is paid")]
    InvoiceOpen,
    /// The next period is already paid, so its dates are fixed.
    #[error("the next period is already paid: grant the days when it has begun")]
    NextPeriodPaid,
    /// A date is out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Subscription {
    /// Grants days: to the trial, to the current period, or, after an end, as a period from `today`.
    ///
    /// The anchor moves to the new end, so that later periods begin there. Days that reach beyond `today` decide the review
    /// of a lapsed subscription: it is renewed at the new end like any other. Fewer days leave the review open, because
    /// nobody has decided about the rest of the unpaid time.
    pub fn with_bonus(&self, days: u32, today: NaiveDate) -> Result<Self, BonusRefusal> {
        if !(1..=MAX_BONUS_DAYS_PER_GRANT).contains(&days) {
            return Err(BonusRefusal::Days);
        }
        match self.state {
            SubscriptionState::Renewing | SubscriptionState::PastDue => Err(BonusRefusal::InvoiceOpen),
            SubscriptionState::Active if self.prepaid.is_some() => Err(BonusRefusal::NextPeriodPaid),
            SubscriptionState::Active => {
                let period = self.period.ok_or(OutOfRange)?.extended(days)?;
                let anchor = Some(AnchorDay::of(period.until));
                let needs_person = self.needs_person && period.until <= today;
                Ok(Self { period: Some(period), anchor, reminded_days: None, needs_person, ..self.clone() })
            }
            SubscriptionState::Trialing => {
                let trial = self.trial.ok_or(OutOfRange)?.extended(days)?;
                Ok(Self { trial: Some(trial), reminded_days: None, ..self.clone() })
            }
            SubscriptionState::TrialEnded => {
                let from = self.trial.map_or(today, |trial| trial.from);
                let until = Period::of_days(today, days)?.until;
                let trial = Some(Period::new(from, until)?);
                Ok(Self { state: SubscriptionState::Trialing, trial, reminded_days: None, ..self.clone() })
            }
            SubscriptionState::Expired | SubscriptionState::Cancelled => {
                let period = Period::of_days(today, days)?;
                Ok(Self {
                    state: SubscriptionState::Active,
                    anchor: Some(AnchorDay::of(period.until)),
                    period_no: self.period_no.checked_add(1).ok_or(OutOfRange)?,
                    period: Some(period),
                    is_granted: true,
                    cancels: true,
                    reminded_days: None,
                    needs_person: false,
                    ..self.clone()
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::PeriodLength;
    use super::super::due::DueStep;
    use super::super::settings::SubscriptionSettings;
    use super::super::subscription::EndReason;
    use super::super::subscription::tests::{active, day};
    use super::*;

    #[test]
    fn days_move_the_next_boundary_once_and_later_periods_follow() {
        let granted = active("2026-12-01").with_bonus(10, day("2026-12-05")).unwrap();
        let period = granted.period.unwrap();
        assert_eq!((period.from, period.until), (day("2026-12-01"), day("2027-01-11")));
        let next = granted.anchor.unwrap().period_from(period.until, PeriodLength::Month).unwrap();
        assert_eq!(next.until, day("2027-02-11"));
        let trial =
            Subscription::new(day("2026-12-01"), 14).unwrap().with_bonus(7, day("2026-12-02")).unwrap();
        assert_eq!(trial.trial.unwrap().until, day("2026-12-23"));
        let again = trial.trial_ended().unwrap().with_bonus(3, day("2027-01-10")).unwrap();
        assert_eq!(again.trial.unwrap().until, day("2027-01-13"));
    }

    #[test]
    fn after_an_end_days_are_a_period_of_their_own_that_is_not_renewed() {
        let ended = active("2026-12-01").renewal_opened(false).unwrap().ended(EndReason::Unpaid);
        let granted = ended.with_bonus(5, day("2027-02-01")).unwrap();
        assert_eq!(granted.period, Some(Period::new(day("2027-02-01"), day("2027-02-06")).unwrap()));
        assert!(granted.is_granted && granted.cancels);
        assert_eq!(granted.period_no, 2);
    }

    #[test]
    fn days_that_reach_beyond_today_end_a_review_and_fewer_do_not() {
        let settings = SubscriptionSettings::default();
        // Ended on 1 January, reviewed on 20 April.
        let lapsed = Subscription { needs_person: true, ..active("2026-12-01") };
        let today = day("2027-04-20");
        let decided = lapsed.with_bonus(110, today).unwrap();
        assert_eq!((decided.period.unwrap().until, decided.needs_person), (day("2027-04-21"), false));
        let now = "2027-04-20T21:00:00Z".parse().unwrap();
        assert_eq!(decided.due_step(now, &settings), DueStep::Renew, "renewed at the new end");
        let open = lapsed.with_bonus(109, today).unwrap();
        assert_eq!((open.period.unwrap().until, open.needs_person), (today, true));
        assert_eq!(open.due_step(now, &settings), DueStep::Idle, "nothing is charged meanwhile");
    }

    #[test]
    fn what_cannot_be_granted_says_why() {
        let active = active("2026-12-01");
        assert_eq!(active.with_bonus(0, day("2026-12-05")), Err(BonusRefusal::Days));
        assert_eq!(active.with_bonus(367, day("2026-12-05")), Err(BonusRefusal::Days));
        let renewing = active.renewal_opened(true).unwrap();
        assert_eq!(renewing.with_bonus(5, day("2027-01-01")), Err(BonusRefusal::InvoiceOpen));
    }
}
