//! Notices about FlySense's subscription, from the platform's events `subscription.*`.

use chrono::{DateTime, NaiveDate, Utc};

use super::message::{Keyboard, Outgoing};
use super::notices::NoticeKind;
use crate::russian;
use crate::sending_hours::local_day;

/// State of the subscription after an event, as the event contains it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// Until when access is known to last.
    pub access_until: Option<DateTime<Utc>>,
    /// Day after the last one of the paid period, Moscow.
    pub period_until: Option<NaiveDate>,
    /// Days before the end of the trial or the charge, in reminders.
    pub days_before: Option<u32>,
    /// Day on which the card is charged, Moscow, in a reminder of the next period; `None` if no card can be charged.
    pub charges_on: Option<NaiveDate>,
}

/// The kind of notices about events of this type; `None` for events that nobody has to act upon.
pub fn kind_of_event(event_type: &str) -> Option<NoticeKind> {
    Some(match event_type {
        "subscription.trial_ending" => NoticeKind::TrialEnding,
        "subscription.trial_ended" => NoticeKind::TrialEnded,
        "subscription.renewal_upcoming" => NoticeKind::RenewalUpcoming,
        "subscription.payment_failed" => NoticeKind::PaymentFailed,
        "subscription.past_due" => NoticeKind::PastDue,
        "subscription.expired" => NoticeKind::SubscriptionExpired,
        _ => return None,
    })
}

/// The notice for an account's people; `None` for kinds that are not about subscriptions.
pub fn subscription_notice(kind: NoticeKind, host: &str, facts: SubscriptionFacts) -> Option<Outgoing> {
    // The platform's days are those of Moscow.
    let access_ends = facts.access_until.map(|until| russian::day(local_day(until, None)));
    let text = match kind {
        NoticeKind::TrialEnding => format!(
            "Пробный период FlySense AI в аккаунте {host} закончится{}{}. Оформите подписку, чтобы звонки расшифровывались и дальше: {}",
            facts
                .days_before
                .map(|days| format!(" через {days} {}", russian::days_word(days)))
                .unwrap_or_default(),
            access_ends.map(|day| format!(", {day}")).unwrap_or_default(),
            widgets_url(host),
        ),
        NoticeKind::TrialEnded => format!(
            "Пробный период FlySense AI в аккаунте {host} закончился: новые звонки не расшифровываются. Оформите подписку: {}",
            widgets_url(host)
        ),
        NoticeKind::RenewalUpcoming => renewal_upcoming(host, facts),
        NoticeKind::PaymentFailed => format!(
            "Оплата подписки FlySense AI в аккаунте {host} не прошла.{} Оплатите счёт или привяжите другую карту: {}",
            works_until(access_ends.as_deref()),
            widgets_url(host)
        ),
        NoticeKind::PastDue => format!(
            "Подписка FlySense AI в аккаунте {host} не оплачена: период закончился.{} Оплатите счёт: {}",
            works_until(access_ends.as_deref()),
            widgets_url(host)
        ),
        NoticeKind::SubscriptionExpired => format!(
            "Подписка FlySense AI в аккаунте {host} закончилась, потому что следующий период не оплачен. Новые звонки не \
             расшифровываются; расшифровки сохранены. Чтобы продолжить, оформите подписку: {}",
            widgets_url(host)
        ),
        NoticeKind::BalanceLow | NoticeKind::CallsWait | NoticeKind::AccessLost | NoticeKind::Digest => {
            return None;
        }
    };
    Some(Outgoing::text(format!("{text}\n\n/settings — настроить уведомления")))
}

/// The reminder of the next period: of the charge, or that somebody has to pay.
fn renewal_upcoming(host: &str, facts: SubscriptionFacts) -> String {
    let url = widgets_url(host);
    if let Some(on) = facts.charges_on.map(russian::day) {
        return format!(
            "Подписка FlySense AI в аккаунте {host}: {on} спишем с карты оплату следующего периода. Сумма и карта: {url}"
        );
    }
    let on = facts.period_until.map(|day| format!("{} ", russian::day(day))).unwrap_or_default();
    format!(
        "Подписка FlySense AI в аккаунте {host}: {on}начнётся следующий период, а карты, с которой можно списать оплату, нет. \
         Оплатите период или привяжите карту: {url}"
    )
}

/// The notice with a button that opens the page where the invoice is paid; `sealed` is the sealed address of that page.
pub fn with_pay_button(notice: Outgoing, sealed: String) -> Outgoing {
    let label = "Оплатить счёт".to_owned();
    Outgoing { keyboard: Keyboard::SealedLink { label, sealed }, ..notice }
}

fn works_until(day: Option<&str>) -> String {
    day.map(|day| format!(" Виджет работает до {day}.")).unwrap_or_default()
}

/// The page of amoCRM where administrators open the widget's settings, with its subscription.
fn widgets_url(host: &str) -> String {
    format!("https://{host}/settings/widgets/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "demo.amocrm.ru";

    fn text(kind: NoticeKind, facts: SubscriptionFacts) -> String {
        subscription_notice(kind, HOST, facts).unwrap().text
    }

    #[test]
    fn every_notice_names_the_account_and_the_way_on() {
        let events =
            ["trial_ending", "trial_ended", "renewal_upcoming", "payment_failed", "past_due", "expired"];
        for event in events {
            let kind = kind_of_event(&format!("subscription.{event}")).unwrap();
            let text = text(kind, SubscriptionFacts::default());
            assert!(text.contains("https://demo.amocrm.ru/settings/widgets/"), "{text}");
            assert!(text.contains("/settings —") && !text.contains("  "), "{text}");
        }
        assert_eq!(kind_of_event("subscription.renewed"), None);
        assert_eq!(subscription_notice(NoticeKind::Digest, HOST, SubscriptionFacts::default()), None);
    }

    #[test]
    fn days_are_those_of_moscow() {
        let facts = SubscriptionFacts {
            access_until: Some("2026-12-15T21:00:00Z".parse().unwrap()),
            period_until: Some("2027-01-01".parse().unwrap()),
            days_before: Some(3),
            charges_on: None,
        };
        assert!(text(NoticeKind::TrialEnding, facts).contains("закончится через 3 дня, 16.12.2026."));
        let by_hand = text(NoticeKind::RenewalUpcoming, facts);
        assert!(
            by_hand.contains(": 01.01.2027 начнётся") && by_hand.contains("привяжите карту"),
            "{by_hand}"
        );
        let charged = SubscriptionFacts { charges_on: Some("2027-01-07".parse().unwrap()), ..facts };
        assert!(text(NoticeKind::RenewalUpcoming, charged).contains(": 07.01.2027 спишем с карты оплату"));
        assert!(
            text(NoticeKind::PaymentFailed, facts).contains("не прошла. Виджет работает до 16.12.2026. ")
        );
    }
}
