//! Notices by e-mail about subscriptions, to the address that the payer gave for receipts.

mod invitation;
mod letter;
mod samples;
mod transfer;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::subscriptions::{Period, Subscription, SubscriptionState, moscow_day};
use crate::UnknownText;
use crate::id::InvoiceId;
use crate::money::Kopecks;
use crate::text_enum::labeled_enum;

pub use letter::{ChargedCard, Letter, Links};
pub use samples::sample_letters;
pub use transfer::{TransferFacts, TransferLetter};

labeled_enum!(
    /// A kind of notices by e-mail. Each can be switched off for an account; none is sent more than once a day.
    MailKind {
        /// The trial ends in some days.
        TrialEnding = "trial_ending", "пробный период скоро закончится";
        /// The trial is over.
        TrialEnded = "trial_ended", "пробный период закончился";
        /// The next period begins in some days: a card is charged, or a person has to pay.
        RenewalUpcoming = "renewal_upcoming", "скоро оплата следующего периода";
        /// The price of a period changes in a month or later.
        PriceChanging = "price_changing", "новая цена подписки";
        /// A payment of the next period failed.
        PaymentFailed = "payment_failed", "оплата не прошла";
        /// The period is over and the next one is not paid.
        PastDue = "past_due", "подписка не оплачена";
        /// The subscription ended unpaid.
        Expired = "expired", "подписка закончилась";
        /// An invoice that a firm pays by bank transfer was written, ends tomorrow, or is paid. Its letters are
        /// [`TransferLetter`]s.
        TransferInvoice = "transfer_invoice", "счёт для организации";
    }
);

impl MailKind {
    /// Whether the notice is still true: a night may lie between its cause and its sending. `on` is the day that the
    /// notice is about: a reminder of a day that has come, or was replaced by another, is out of date.
    pub fn applies_to(self, subscription: &Subscription, on: Option<NaiveDate>, now: DateTime<Utc>) -> bool {
        let state = subscription.state;
        let is_coming = |period: Option<Period>| {
            period.is_some_and(|period| on == Some(period.until) && moscow_day(now) < period.until)
        };
        match self {
            Self::TrialEnding => state == SubscriptionState::Trialing && is_coming(subscription.trial),
            Self::TrialEnded => state == SubscriptionState::TrialEnded,
            Self::RenewalUpcoming => {
                let charge = subscription.next_charge_on().filter(|charge| moscow_day(now) < *charge);
                let boundary = subscription.period.map(|period| period.until);
                // The charge of a boundary that has passed waits for this letter, whichever day the letter was queued for.
                !subscription.cancels
                    && subscription.prepaid.is_none()
                    && charge.is_some()
                    && (on == charge || on == boundary)
            }
            Self::PriceChanging => {
                !subscription.cancels
                    && subscription.terms.is_some()
                    && !matches!(state, SubscriptionState::Expired | SubscriptionState::Cancelled)
                    && on.is_some_and(|on| moscow_day(now) < on)
            }
            Self::PaymentFailed | Self::PastDue => {
                matches!(state, SubscriptionState::Renewing | SubscriptionState::PastDue)
            }
            Self::Expired => state == SubscriptionState::Expired,
            // Its letters do not depend on a subscription.
            Self::TransferInvoice => true,
        }
    }
}

/// State of a notice by e-mail.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// Not sent yet.
    Waiting,
    /// Being sent, or the process that sent it died.
    Sending,
    /// The mail server has accepted it.
    Sent,
    /// The mail server may have accepted it. It is not sent again, because it would be read twice.
    Unknown,
    /// The mail server says that the address does not exist.
    BadAddress,
    /// The mail server refused it for another reason, or in all attempts.
    Refused,
    /// The account switched the kind off, or its address is known to be bad, or an operator cancelled its sending.
    Unwanted,
    /// The notice was no longer true when it could be sent.
    Outdated,
    /// This deployment sends no e-mail.
    Unconfigured,
}

/// Contents of a notice. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailFacts {
    /// Name of the widget.
    pub widget: String,
    /// Host of the account, such as `demo.amocrm.ru`.
    pub host: String,
    /// The day that it is about, Moscow: the end of the trial or the period, or of access.
    pub on: Option<NaiveDate>,
    /// Days until then, in reminders.
    pub days_before: Option<u32>,
    /// Price of the next period, or of the open invoice.
    pub amount: Option<Kopecks>,
    /// Price of a period before its price changes.
    #[serde(default)]
    pub previous_amount: Option<Kopecks>,
    /// Whether a card is charged for the next period, in reminders of it.
    pub renews: bool,
    /// The open invoice.
    pub invoice: Option<InvoiceId>,
    /// Whether the account has uninstalled the widget, so that no card is charged.
    #[serde(default)]
    pub uninstalled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_notice_that_is_no_longer_true_is_not_sent() {
        let trial = Subscription::new("2026-12-01".parse().unwrap(), 14).unwrap();
        let end = Some("2026-12-16".parse().unwrap());
        assert!(MailKind::TrialEnding.applies_to(&trial, end, at("2026-12-15T20:59:59Z")));
        assert!(!MailKind::TrialEnding.applies_to(&trial, end, at("2026-12-15T21:00:00Z")));
        let ended = trial.trial_ended().unwrap();
        assert!(MailKind::TrialEnded.applies_to(&ended, None, at("2026-12-16T06:00:00Z")));
        assert!(!MailKind::TrialEnding.applies_to(&ended, end, at("2026-12-15T06:00:00Z")));
        for kind in [MailKind::PaymentFailed, MailKind::PastDue, MailKind::Expired, MailKind::RenewalUpcoming]
        {
            assert!(!kind.applies_to(&ended, end, at("2026-12-16T06:00:00Z")), "{kind}");
        }
    }

    #[test]
    fn a_reminder_of_another_day_is_not_sent() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        let active = Subscription {
            state: SubscriptionState::Active,
            period: Some(Period::of_days(day("2026-12-01"), 31).unwrap()),
            ..trial.clone()
        };
        let now = at("2026-12-13T06:00:00Z");
        for (kind, subscription, end) in [
            (MailKind::TrialEnding, &trial, day("2026-12-16")),
            (MailKind::RenewalUpcoming, &active, day("2027-01-01")),
        ] {
            assert!(kind.applies_to(subscription, Some(end), now), "{kind}");
            assert!(!kind.applies_to(subscription, end.pred_opt(), now), "{kind}");
            assert!(!kind.applies_to(subscription, None, now), "{kind}");
        }
        let late = Subscription {
            state: SubscriptionState::Renewing,
            last_charge_on: Some(day("2027-01-07")),
            ..active.clone()
        };
        let charge = Some(day("2027-01-07"));
        assert!(MailKind::RenewalUpcoming.applies_to(&late, charge, at("2027-01-06T20:59:59Z")));
        assert!(!MailKind::RenewalUpcoming.applies_to(&late, charge, at("2027-01-06T21:00:00Z")));
        let eve = Some(day("2027-01-01"));
        assert!(
            MailKind::RenewalUpcoming.applies_to(&late, eve, at("2027-01-01T06:00:00Z")),
            "the next morning"
        );
        assert!(!MailKind::RenewalUpcoming.applies_to(&late, None, at("2027-01-01T06:00:00Z")));
        assert!(!MailKind::RenewalUpcoming.applies_to(
            &late.charge_failed(),
            charge,
            at("2027-01-06T09:00:00Z")
        ));
        let begun = at("2026-12-31T21:00:00Z");
        assert!(!MailKind::RenewalUpcoming.applies_to(&active, Some(day("2027-01-01")), begun));
    }
}
