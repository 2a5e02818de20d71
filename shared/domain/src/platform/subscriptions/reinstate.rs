//! Reinstating a subscription that has ended: an operator's act.

use chrono::{Days, NaiveDate};

use super::settings::SubscriptionSettings;
use super::subscription::{Subscription, SubscriptionState};
use crate::money::OutOfRange;

/// Why a subscription is not reinstated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReinstateRefusal {
    /// The subscription has not ended, or nothing was ever bought.
    #[error("the subscription is {0}: there is nothing to reinstate")]
    WrongState(SubscriptionState),
    /// The last period would have run until this day, had its payment not been refunded whole: until then there are days that nobody
    /// has paid.
    #[error(
        "the last period was refunded and would have run until {0}: start a new one, or grant bonus days"
    )]
    Refunded(NaiveDate),
    /// The period after the last one ended before this day, so there is nothing left to pay for.
    #[error("the period after the last one ended before {0}: start a new one, or grant bonus days")]
    TooLate(NaiveDate),
    /// A date is out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Subscription {
    /// Puts an ended subscription back to where its next period is unpaid.
    ///
    /// The period follows the last one without a gap, as if the subscription had not ended. It can be paid for the days of
    /// a grace from `today`, or until its own end. Access is that of its dates: where the grace is over, it needs the payment.
    pub fn reinstated(
        &self,
        today: NaiveDate,
        settings: &SubscriptionSettings,
    ) -> Result<Self, ReinstateRefusal> {
        let has_ended = matches!(self.state, SubscriptionState::Expired | SubscriptionState::Cancelled);
        let last = self.period.zip(self.anchor).zip(self.terms).filter(|_| has_ended);
        let Some(((period, anchor), terms)) = last else {
            return Err(ReinstateRefusal::WrongState(self.state));
        };
        // Only a refund of all of its payment ends a subscription before its period is over.
        if today < period.until {
            return Err(ReinstateRefusal::Refunded(period.until));
        }
        let next = anchor.period_from(period.until, terms.length)?;
        if today >= next.until {
            return Err(ReinstateRefusal::TooLate(next.until));
        }
        let days = Days::new(settings.grace_days.max(1).into());
        let waits_until = today.checked_add_days(days).ok_or(OutOfRange)?;
        Ok(Self {
            state: SubscriptionState::PastDue,
            cancels: false,
            last_charge_on: waits_until.pred_opt(),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Period;
    use super::super::subscription::EndReason;
    use super::super::subscription::tests::{active, day};
    use super::*;

    #[test]
    fn an_ended_subscription_waits_for_the_payment_of_the_period_that_follows() {
        let settings = SubscriptionSettings::default();
        let active = active("2026-12-01");
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        for reason in [EndReason::Unpaid, EndReason::Cancelled] {
            let ended = active.renewal_opened(true).unwrap().ended(reason);
            let open = ended.reinstated(day("2027-01-16"), &settings).unwrap();
            assert_eq!((open.state, open.period), (SubscriptionState::PastDue, active.period));
            assert_eq!(open.expires_on(&settings), Some(day("2027-01-30")), "14 days from today");
            let paid = open.renewed(open.terms.unwrap(), next, day("2027-01-20")).unwrap();
            assert_eq!((paid.state, paid.period), (SubscriptionState::Active, Some(next)));
            let late = ended.reinstated(day("2027-01-31"), &settings).unwrap();
            assert_eq!(late.expires_on(&settings), Some(next.until), "no second period is unpaid");
            let refused = ended.reinstated(next.until, &settings);
            assert_eq!(refused, Err(ReinstateRefusal::TooLate(next.until)));
        }
        let strict = SubscriptionSettings { grace_days: 0, ..settings };
        let ended = active.renewal_opened(true).unwrap().ended(EndReason::Unpaid);
        let open = ended.reinstated(day("2027-01-16"), &strict).unwrap();
        assert_eq!(open.expires_on(&strict), Some(day("2027-01-17")), "today at least");
    }

    /// Reinstated, it would give access to the days whose money was returned.
    #[test]
    fn a_subscription_that_ended_with_a_refund_is_not_reinstated_before_the_end_of_its_period() {
        let settings = SubscriptionSettings::default();
        let ended = active("2026-12-01").ended(EndReason::Cancelled);
        for today in ["2026-12-05", "2026-12-31"] {
            let refused = ended.reinstated(day(today), &settings);
            assert_eq!(refused, Err(ReinstateRefusal::Refunded(day("2027-01-01"))), "{today}");
        }
        assert!(ended.reinstated(day("2027-01-01"), &settings).is_ok());
        assert!(ended.started(ended.terms.unwrap(), day("2026-12-05")).is_ok(), "a new one can be bought");
    }

    #[test]
    fn what_has_not_ended_or_never_began_is_not_reinstated() {
        let settings = SubscriptionSettings::default();
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        for subscription in [active("2026-12-01"), trial.trial_ended().unwrap(), trial] {
            let refused = subscription.reinstated(day("2026-12-05"), &settings);
            assert_eq!(refused, Err(ReinstateRefusal::WrongState(subscription.state)));
        }
    }
}
