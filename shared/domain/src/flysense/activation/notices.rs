//! Notices to people who are bound to an account: kinds, and texts about calls and balance.

use chrono::{DateTime, Datelike as _, Utc, Weekday};

use super::message::Outgoing;
use crate::sending_hours::local;
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A kind of notices. Each can be switched off by the person; none is sent more than once a day.
    NoticeKind {
        /// The balance lasts for a few days.
        BalanceLow = "balance_low", "баланс заканчивается";
        /// Calls are not transcribed, because the balance is too low.
        CallsWait = "calls_wait", "звонки ждут пополнения";
        /// The account has lost access to amoCRM.
        AccessLost = "access_lost", "потерян доступ к amoCRM";
        /// Calls of the last week.
        Digest = "digest", "итоги недели";
        /// The trial ends in some days.
        TrialEnding = "trial_ending", "скоро закончится пробный период";
        /// The trial is over.
        TrialEnded = "trial_ended", "пробный период закончился";
        /// The next period will be charged in some days.
        RenewalUpcoming = "renewal_upcoming", "скоро списание за подписку";
        /// A charge for the next period failed.
        PaymentFailed = "payment_failed", "оплата подписки не прошла";
        /// The period is over and the next one is not paid.
        PastDue = "past_due", "подписка не оплачена";
        /// The subscription ended unpaid.
        SubscriptionExpired = "subscription_expired", "подписка закончилась";
    }
);

impl NoticeKind {
    /// Whether the notice is sent by e-mail to a person whom the messenger does not reach. News about the subscription are not,
    /// because the platform writes to its payer.
    pub const fn goes_by_mail(self) -> bool {
        matches!(self, Self::BalanceLow | Self::CallsWait | Self::AccessLost | Self::Digest)
    }

    /// The kind whose notice of the same day already says what this one would: a payment that fails at the end of a period
    /// also makes the subscription due.
    pub const fn told_by(self) -> Option<Self> {
        match self {
            Self::PastDue => Some(Self::PaymentFailed),
            _ => None,
        }
    }
}

/// Days that a low balance lasts at most.
const LOW_BALANCE_DAYS: i64 = 3;
/// Period over which spending is averaged, days.
pub const SPENDING_PERIOD_DAYS: i64 = 7;
/// Micro-Flycoins in a Flycoin.
const MICRO_PER_COIN: i64 = 1_000_000;

/// Whether the weekly digest is due: on Mondays of the account.
pub fn is_digest_day(now: DateTime<Utc>, offset_minutes: Option<i16>) -> bool {
    local(now, offset_minutes).weekday() == Weekday::Mon
}

/// Days that a balance lasts at the spending of the last [`SPENDING_PERIOD_DAYS`], if it is low; rounded down. Amounts are
/// micro-Flycoins.
pub fn low_balance_days(available_micro: i64, spent_micro: i64) -> Option<i64> {
    if spent_micro <= 0 {
        return None;
    }
    let days = available_micro.max(0).saturating_mul(SPENDING_PERIOD_DAYS) / spent_micro;
    (days <= LOW_BALANCE_DAYS).then_some(days)
}

/// The balance lasts for `days` days.
pub fn balance_low(host: &str, days: i64, available_micro: i64) -> Outgoing {
    let coins = available_micro / MICRO_PER_COIN;
    let lasts = match days {
        0 => "меньше чем на день".to_owned(),
        days => format!("примерно на {days} дн."),
    };
    Outgoing::text(format!(
        "Баланс FlySense AI в аккаунте {host}: {coins} Flycoin — {lasts} при обычном числе звонков. Пополнить можно в \
         настройках виджета, вкладка «Баланс».\n\n/settings — настроить уведомления"
    ))
}

/// `calls` calls wait for the balance.
pub fn calls_wait(host: &str, calls: i64) -> Outgoing {
    Outgoing::text(format!(
        "В аккаунте {host} звонков ждут расшифровки: {calls}. На балансе не хватает Flycoin. После пополнения в настройках \
         виджета они расшифруются сами.\n\n/settings — настроить уведомления"
    ))
}

/// The account has lost access.
pub fn access_lost(host: &str) -> Outgoing {
    Outgoing::text(format!(
        "FlySense AI потерял доступ к аккаунту {host}: звонки не расшифровываются. Откройте настройки виджета и нажмите \
         «Переподключить»: https://{host}/settings/widgets/\n\n/settings — настроить уведомления"
    ))
}

/// Calls of the last week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeekOfCalls {
    /// Transcribed calls.
    pub done: i64,
    /// Of these, calls with a negative tone.
    pub negative: i64,
    /// Length of the recordings, ms.
    pub duration_ms: i64,
}

/// The weekly digest.
pub fn digest(host: &str, week: WeekOfCalls) -> Outgoing {
    let minutes = week.duration_ms / 60_000;
    Outgoing::text(format!(
        "Итоги недели в аккаунте {host}: расшифровано звонков — {}, всего {minutes} мин. С негативной тональностью: {}.\n\n\
         /settings — настроить уведомления",
        week.done, week.negative
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_monday_is_that_of_the_account() {
        let sunday_evening = at("2026-11-29T21:30:00Z");
        assert!(is_digest_day(sunday_evening, Some(180)) && !is_digest_day(sunday_evening, Some(0)));
    }

    #[test]
    fn a_balance_is_low_if_it_lasts_three_days_at_the_usual_spending() {
        assert_eq!(low_balance_days(100, 0), None, "nothing is spent");
        assert_eq!(low_balance_days(400, 700), None);
        assert_eq!(low_balance_days(399, 700), Some(3));
        assert_eq!(low_balance_days(0, 700), Some(0));
        assert_eq!(low_balance_days(-5, 700), Some(0));
    }
}
