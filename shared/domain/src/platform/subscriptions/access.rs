//! Access to a widget: one answer, apart from the subscription's state.

use chrono::{DateTime, NaiveDate, Utc};

use super::calendar::{day_start, moscow_day};
use super::due::DueStep;
use super::settings::{AfterEnd, SubscriptionSettings};
use super::subscription::{Subscription, SubscriptionState};
use crate::UnknownText;

/// What a widget may do for its account now. Widgets obey the level and show the reason.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessLevel {
    /// The widget works.
    Allowed,
    /// The widget works and asks for a payment.
    Grace,
    /// The widget shows its data, but does nothing that costs.
    Restricted,
    /// The widget does not work.
    Off,
}

impl AccessLevel {
    /// Whether the widget works.
    pub const fn works(self) -> bool {
        matches!(self, Self::Allowed | Self::Grace)
    }
}

/// Cause of a level, which widgets and pages explain to users.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessReason {
    /// The trial runs.
    Trial,
    /// The period is paid.
    Paid,
    /// The period was granted by an operator.
    Granted,
    /// The period is over and the next one is being charged.
    Renewing,
    /// The period is over and the next one is not paid.
    PaymentOverdue,
    /// A person at Flysk decides about a subscription that was not renewed for more than its grace.
    UnderReview,
    /// Nothing was bought yet and there is no trial.
    NotSubscribed,
    /// The trial is over.
    TrialEnded,
    /// The subscription ended unpaid.
    Expired,
    /// The subscription was cancelled.
    Cancelled,
    /// Others have the seats: only this user is refused.
    NoSeat,
    /// The widget sells no subscriptions at present, so that access is free, whatever the state.
    NotSold,
}

impl AccessReason {
    /// Sentence in Russian, for users; `None` where nothing needs to be said.
    pub const fn notice_ru(self) -> Option<&'static str> {
        match self {
            Self::Trial | Self::Paid | Self::Granted | Self::NotSold => None,
            Self::Renewing => Some("Продлеваем подписку."),
            Self::PaymentOverdue => Some("Подписка не оплачена. Оплатите её, чтобы виджет не отключился."),
            Self::UnderReview => Some("Мы проверяем подписку. Виджет работает."),
            Self::NotSubscribed => Some("Чтобы пользоваться виджетом, оформите подписку."),
            Self::TrialEnded => Some("Пробный период закончился. Чтобы продолжить, оформите подписку."),
            Self::Expired => Some("Подписка закончилась. Чтобы продолжить, оплатите её."),
            Self::Cancelled => Some("Подписка отменена. Чтобы продолжить, оформите её снова."),
            Self::NoSeat => Some(
                "Все места подписки заняты. Попросите администратора аккаунта освободить место или добавить ещё одно.",
            ),
        }
    }
}

/// Access of an account to a widget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// What the widget may do.
    pub level: AccessLevel,
    /// Cause of the level.
    pub reason: AccessReason,
    /// Until when, if that is known.
    pub until: Option<DateTime<Utc>>,
}

impl Access {
    fn allowed(reason: AccessReason, until: NaiveDate) -> Self {
        Self { level: AccessLevel::Allowed, reason, until: Some(day_start(until)) }
    }

    pub(super) const fn over(reason: AccessReason, settings: &SubscriptionSettings) -> Self {
        let level = match settings.after_end {
            AfterEnd::Restricted => AccessLevel::Restricted,
            AfterEnd::Off => AccessLevel::Off,
        };
        Self { level, reason, until: None }
    }
}

impl Subscription {
    /// Access at a time. Depends on dates and not on whether the scheduler has run. While the widget sells no subscriptions, everybody
    /// has access.
    pub fn access(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> Access {
        if settings.not_sold {
            return Access { level: AccessLevel::Allowed, reason: AccessReason::NotSold, until: None };
        }
        let today = moscow_day(now);
        match self.state {
            SubscriptionState::Trialing => match self.trial {
                Some(trial) if today < trial.until => Access::allowed(AccessReason::Trial, trial.until),
                _ => Access::over(AccessReason::TrialEnded, settings),
            },
            SubscriptionState::TrialEnded => {
                let reason =
                    if self.trial.is_some() { AccessReason::TrialEnded } else { AccessReason::NotSubscribed };
                Access::over(reason, settings)
            }
            SubscriptionState::Expired => Access::over(AccessReason::Expired, settings),
            SubscriptionState::Cancelled => Access::over(AccessReason::Cancelled, settings),
            SubscriptionState::Active | SubscriptionState::Renewing | SubscriptionState::PastDue => {
                self.live_access(today, settings)
            }
        }
    }

    fn live_access(&self, today: NaiveDate, settings: &SubscriptionSettings) -> Access {
        let Some(until) = self.paid_until() else {
            return Access::over(AccessReason::NotSubscribed, settings);
        };
        if today < until {
            let reason = if self.is_granted { AccessReason::Granted } else { AccessReason::Paid };
            return Access::allowed(reason, until);
        }
        if self.cancels {
            return Access::over(AccessReason::Cancelled, settings);
        }
        if self.needs_person {
            return Access { level: AccessLevel::Grace, reason: AccessReason::UnderReview, until: None };
        }
        // While the first charge is to come, nobody has missed to pay: it may wait for its reminder beyond the grace.
        let unpaid_until = match self.state {
            SubscriptionState::Renewing => self.expires_on(settings),
            _ => self.grace_until(settings),
        };
        let grace_until = unpaid_until.filter(|until| today < *until).map(day_start);
        match (self.state, grace_until) {
            // The invoice of the next period is not written yet, so nobody can have missed to pay it.
            (SubscriptionState::Active, until) => {
                Access { level: AccessLevel::Allowed, reason: AccessReason::Renewing, until }
            }
            (SubscriptionState::PastDue, Some(_)) => {
                Access { level: AccessLevel::Grace, reason: AccessReason::PaymentOverdue, until: grace_until }
            }
            (_, Some(_)) => {
                Access { level: AccessLevel::Allowed, reason: AccessReason::Renewing, until: grace_until }
            }
            (_, None) => Access::over(AccessReason::PaymentOverdue, settings),
        }
    }

    /// The first day without access if nothing is paid from `now` on; today, if there is no access any more. `None` while a person
    /// decides, or has to.
    pub fn loses_access_on(&self, now: DateTime<Utc>, settings: &SubscriptionSettings) -> Option<NaiveDate> {
        if self.needs_person || self.due_step(now, settings) == DueStep::AskPerson {
            return None;
        }
        let until = match self.state {
            SubscriptionState::Trialing => self.trial.map(|trial| trial.until),
            SubscriptionState::Active if self.cancels => self.paid_until(),
            SubscriptionState::Active | SubscriptionState::PastDue => self.grace_until(settings),
            SubscriptionState::Renewing => self.expires_on(settings),
            SubscriptionState::TrialEnded | SubscriptionState::Expired | SubscriptionState::Cancelled => None,
        };
        let today = moscow_day(now);
        Some(until.map_or(today, |until| until.max(today)))
    }

    /// Day from which an unpaid subscription gives no access any more.
    pub fn grace_until(&self, settings: &SubscriptionSettings) -> Option<NaiveDate> {
        let until = self.paid_until()?;
        until.checked_add_days(chrono::Days::new(settings.grace_days.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Period;
    use super::super::subscription::EndReason;
    use super::super::subscription::tests::{active, day, terms};
    use super::*;

    fn access(subscription: &Subscription, now: &str) -> (AccessLevel, AccessReason) {
        let access = subscription.access(now.parse().unwrap(), &SubscriptionSettings::default());
        (access.level, access.reason)
    }

    #[test]
    fn a_trial_ends_at_midnight_in_moscow_whether_or_not_the_scheduler_runs() {
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert_eq!(access(&trial, "2026-12-15T20:59:59Z"), (AccessLevel::Allowed, AccessReason::Trial));
        assert_eq!(access(&trial, "2026-12-15T21:00:00Z"), (AccessLevel::Off, AccessReason::TrialEnded));
        assert_eq!(access(&trial.trial_ended().unwrap(), "2026-12-15T21:00:00Z").1, AccessReason::TrialEnded);
        let none = Subscription::new(day("2026-12-01"), 0).unwrap();
        assert_eq!(access(&none, "2026-12-01T00:00:00Z"), (AccessLevel::Off, AccessReason::NotSubscribed));
    }

    #[test]
    fn grace_lasts_its_days_and_does_not_depend_on_retries() {
        let active = active("2026-12-01");
        assert_eq!(access(&active, "2026-12-31T20:59:59Z"), (AccessLevel::Allowed, AccessReason::Paid));
        assert_eq!(access(&active, "2026-12-31T21:00:00Z"), (AccessLevel::Allowed, AccessReason::Renewing));
        assert_eq!(access(&active, "2027-06-01T00:00:00Z"), (AccessLevel::Allowed, AccessReason::Renewing));
        let past_due = active.renewal_opened(true).unwrap().charge_failed();
        assert_eq!(
            access(&past_due, "2027-01-14T20:59:59Z"),
            (AccessLevel::Grace, AccessReason::PaymentOverdue)
        );
        assert_eq!(
            access(&past_due, "2027-01-14T21:00:00Z"),
            (AccessLevel::Off, AccessReason::PaymentOverdue)
        );
        let restricted =
            SubscriptionSettings { after_end: AfterEnd::Restricted, ..SubscriptionSettings::default() };
        let late = past_due.access("2027-02-14T00:00:00Z".parse().unwrap(), &restricted);
        assert_eq!(late.level, AccessLevel::Restricted);
    }

    #[test]
    fn a_cancelled_subscription_works_to_its_end_and_not_longer() {
        let (cancelled, _) = active("2026-12-01").cancelled(day("2026-12-05")).unwrap();
        assert_eq!(access(&cancelled, "2026-12-31T20:59:59Z"), (AccessLevel::Allowed, AccessReason::Paid));
        assert_eq!(access(&cancelled, "2026-12-31T21:00:00Z"), (AccessLevel::Off, AccessReason::Cancelled));
        let ended = cancelled.ended(EndReason::Cancelled);
        assert_eq!(access(&ended, "2026-12-31T21:00:00Z"), (AccessLevel::Off, AccessReason::Cancelled));
    }

    #[test]
    fn access_is_free_in_every_state_while_no_subscriptions_are_sold() {
        let free = SubscriptionSettings { not_sold: true, ..SubscriptionSettings::default() };
        let active = active("2026-12-01");
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        let overdue = active.renewal_opened(false).unwrap();
        for subscription in [
            active.ended(EndReason::Cancelled),
            overdue.ended(EndReason::Unpaid),
            trial.trial_ended().unwrap(),
            trial,
            overdue,
            active,
        ] {
            for now in ["2026-12-02T00:00:00Z", "2027-06-01T00:00:00Z"] {
                let access = subscription.access(now.parse().unwrap(), &free);
                let told = (access.level, access.reason, access.until);
                assert_eq!(
                    told,
                    (AccessLevel::Allowed, AccessReason::NotSold, None),
                    "{}",
                    subscription.state
                );
                assert_eq!(access.reason.notice_ru(), None);
            }
        }
    }

    #[test]
    fn access_is_lost_after_the_grace_and_never_in_the_past() {
        let active = active("2026-12-01");
        let (cancelled, _) = active.cancelled(day("2026-12-05")).unwrap();
        let overdue = active.renewal_opened(false).unwrap();
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        for (subscription, now, on) in [
            (&trial, "2026-12-02", Some("2026-12-16")),
            (&trial, "2027-02-01", Some("2027-02-01")),
            (&active, "2026-12-02", Some("2027-01-15")),
            (&active, "2027-04-20", None),
            (&cancelled, "2026-12-02", Some("2027-01-01")),
            (&cancelled, "2027-02-01", Some("2027-02-01")),
            (&overdue, "2027-01-05", Some("2027-01-15")),
            (&overdue.ended(EndReason::Unpaid), "2027-02-01", Some("2027-02-01")),
        ] {
            let lost = subscription.loses_access_on(day_start(day(now)), &SubscriptionSettings::default());
            assert_eq!(lost, on.map(day), "{} on {now}", subscription.state);
        }
    }

    #[test]
    fn a_prepaid_period_counts_before_it_begins() {
        let next = Period::new(day("2027-01-01"), day("2027-02-01")).unwrap();
        let prepaid = active("2026-12-01").renewed(terms(1), next, day("2026-12-20")).unwrap();
        assert_eq!(access(&prepaid, "2027-01-31T20:59:59Z"), (AccessLevel::Allowed, AccessReason::Paid));
        assert_eq!(access(&prepaid, "2027-01-31T21:00:00Z").1, AccessReason::Renewing);
    }
}
