//! Notices to the users of an account about coming changes of its subscription.

use chrono::{DateTime, NaiveDate, Utc};

use super::calendar::moscow_day;
use super::reminder::{TRIAL_REMINDER_DAYS, charge_reminder_days};
use super::settings::SubscriptionSettings;
use super::subscription::{Subscription, SubscriptionState};
use crate::UnknownText;
use crate::money::Kopecks;
use crate::russian::{day as ru, roubles};

/// What a notice is about; decides who gets it and when.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// The trial ends in some days.
    TrialEnding,
    /// The card will be charged in some days.
    ChargeUpcoming,
    /// The period ends in some days and no card is charged.
    PaymentNeeded,
    /// The subscription ends with its period, because it was cancelled.
    EndsWithPeriod,
    /// The price of a seat changes with a later period.
    PriceChanging,
    /// Access is not as it was, see its reason.
    Access,
}

/// Message about a subscription to the users of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Subject.
    pub kind: NoticeKind,
    /// Sentence in Russian.
    pub text: String,
    /// The day that it is about, Moscow; `None` for access.
    pub on: Option<NaiveDate>,
}

impl Notice {
    /// A new price of a seat, from the period that begins on a day.
    pub fn of_new_price(old_price: Kopecks, new_price: Kopecks, on: NaiveDate) -> Self {
        let (old, new) = (roubles(old_price), roubles(new_price));
        let text = format!("С периода, который начнётся {}, место будет стоить {new} вместо {old}.", ru(on));
        Self { kind: NoticeKind::PriceChanging, text, on: Some(on) }
    }
}

impl Subscription {
    /// Notices at a time. `renews`: a card is charged for the next period.
    ///
    /// They appear on the days of the reminders and stay until the day that they are about. While the widget sells no subscriptions,
    /// there are none: nothing is charged, and nothing ends.
    pub fn notices(&self, now: DateTime<Utc>, settings: &SubscriptionSettings, renews: bool) -> Vec<Notice> {
        if settings.not_sold {
            return Vec::new();
        }
        let today = moscow_day(now);
        let mut notices = Vec::new();
        if let Some(text) = self.access(now, settings).reason.notice_ru() {
            notices.push(Notice { kind: NoticeKind::Access, text: text.to_owned(), on: None });
        }
        // The charge waits for its reminder, or for the repair of a fault of ours.
        let waits = self.state == SubscriptionState::Renewing && renews;
        if let Some(on) = self.next_charge_on().filter(|on| waits && today < *on) {
            let text = format!("{} спишем оплату следующего периода с карты.", ru(on));
            notices.push(Notice { kind: NoticeKind::ChargeUpcoming, text, on: Some(on) });
        }
        let soon = |until: NaiveDate, days: &[u32]| {
            let left = (until - today).num_days();
            left > 0 && days.iter().any(|before| left <= i64::from(*before))
        };
        match (self.state, self.trial, self.paid_until(), self.terms) {
            (SubscriptionState::Trialing, Some(trial), ..) if soon(trial.until, TRIAL_REMINDER_DAYS) => {
                let text = format!(
                    "Пробный период закончится {}. Оформите подписку, чтобы виджет не отключился.",
                    ru(trial.until)
                );
                notices.push(Notice { kind: NoticeKind::TrialEnding, text, on: Some(trial.until) });
            }
            (SubscriptionState::Active, _, Some(until), _) if self.cancels && today < until => {
                let text =
                    format!("Подписка отменена и закончится {}. До этого дня её можно вернуть.", ru(until));
                notices.push(Notice { kind: NoticeKind::EndsWithPeriod, text, on: Some(until) });
            }
            (SubscriptionState::Active, _, Some(until), Some(terms))
                if self.prepaid.is_none() && soon(until, charge_reminder_days(terms.length)) =>
            {
                let (kind, text) = if renews {
                    (
                        NoticeKind::ChargeUpcoming,
                        format!("{} продлим подписку и спишем оплату с карты.", ru(until)),
                    )
                } else {
                    (
                        NoticeKind::PaymentNeeded,
                        format!("Подписка закончится {}. Оплатите следующий период.", ru(until)),
                    )
                };
                notices.push(Notice { kind, text, on: Some(until) });
            }
            _ => {}
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::{active, day};
    use super::*;

    fn kinds(subscription: &Subscription, now: &str, renews: bool) -> Vec<NoticeKind> {
        let notices = subscription.notices(now.parse().unwrap(), &SubscriptionSettings::default(), renews);
        notices.into_iter().map(|notice| notice.kind).collect()
    }

    #[test]
    fn users_hear_of_the_end_of_a_trial_and_of_a_charge_in_time() {
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert!(kinds(&trial, "2026-12-12T20:59:59Z", false).is_empty());
        assert_eq!(kinds(&trial, "2026-12-12T21:00:00Z", false), [NoticeKind::TrialEnding]);
        assert_eq!(kinds(&trial, "2026-12-15T21:00:00Z", false), [NoticeKind::Access], "the trial is over");

        let active = active("2026-12-01");
        assert!(kinds(&active, "2026-12-28T20:59:59Z", true).is_empty());
        assert_eq!(kinds(&active, "2026-12-28T21:00:00Z", true), [NoticeKind::ChargeUpcoming]);
        assert_eq!(kinds(&active, "2026-12-28T21:00:00Z", false), [NoticeKind::PaymentNeeded]);
        let (cancelled, _) = active.cancelled(day("2026-12-05")).unwrap();
        assert_eq!(kinds(&cancelled, "2026-12-05T00:00:00Z", false), [NoticeKind::EndsWithPeriod]);
        let renewing = active.renewal_opened(true).unwrap();
        let late = Subscription { last_charge_on: Some(day("2027-01-06")), ..renewing };
        let both = [NoticeKind::Access, NoticeKind::ChargeUpcoming];
        assert_eq!(kinds(&late, "2027-01-05T20:59:59Z", true), both);
        assert_eq!(kinds(&late, "2027-01-05T20:59:59Z", false), [NoticeKind::Access], "no card to charge");
        assert_eq!(kinds(&late, "2027-01-05T21:00:00Z", true), [NoticeKind::Access]);
        let unpaid = active.renewal_opened(false).unwrap();
        assert_eq!(kinds(&unpaid, "2027-01-02T00:00:00Z", false), [NoticeKind::Access]);
    }

    #[test]
    fn nobody_is_told_of_charges_and_ends_while_no_subscriptions_are_sold() {
        let free = SubscriptionSettings { not_sold: true, ..SubscriptionSettings::default() };
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        let active = active("2026-12-01");
        let unpaid = active.renewal_opened(false).unwrap();
        for (subscription, now) in [
            (&trial, "2026-12-15T00:00:00Z"),
            (&trial, "2026-12-20T00:00:00Z"),
            (&active, "2026-12-30T00:00:00Z"),
            (&unpaid, "2027-02-02T00:00:00Z"),
        ] {
            let notices = subscription.notices(now.parse().unwrap(), &free, true);
            assert!(notices.is_empty(), "{}: {notices:?}", subscription.state);
        }
    }
}
