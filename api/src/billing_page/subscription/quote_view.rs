//! A quote in words: what is asked for, when it takes effect, and what has changed since another one.

use chrono::{DateTime, Utc};
use flysk_domain::platform::subscriptions::{
    Change, PendingChange, Subscription, SubscriptionState, Terms, moscow_day,
};
use flysk_domain::russian::{roubles, seats};
use flysk_services::subscriptions::SubscriptionDetails;
use flysk_store::platform::subscriptions::{Plan, StoredQuote};

use super::lines::{self, LineRow};
use super::texts::{day, last_day};

/// Description of the change that a quote prices.
pub(super) fn asked(quote: &StoredQuote, details: &SubscriptionDetails, plan: Option<&Plan>) -> String {
    let wanted = plan.map_or("", |plan| plan.terms.title.as_str());
    let own = details.plan.as_ref().map_or("", |plan| plan.terms.title.as_str());
    match (quote.change, details.row.subscription.terms) {
        (Change::Start { seats: number, length, .. }, _) => {
            format!("Тариф «{wanted}», {}, {}", seats(number), length.label_ru())
        }
        (Change::Seats(number), Some(terms)) => format!("Места: {} → {}", terms.seats, seats(number)),
        (Change::Seats(number), None) => format!("Места: {}", seats(number)),
        (Change::Plan(_), _) => format!("Тариф: «{own}» → «{wanted}»"),
        (Change::Length(length), Some(terms)) => {
            format!("Срок оплаты: {} → {}", terms.length.label_ru(), length.label_ru())
        }
        (Change::Length(length), None) => format!("Срок оплаты: {}", length.label_ru()),
        (Change::Renew, _) => "Оплата следующего периода".to_owned(),
    }
}

/// Calculation of the price of a new period: `990 ₽ за место × 3 места`.
pub(super) fn multiplication(quote: &StoredQuote, plan: Option<&Plan>) -> Option<String> {
    let Change::Start { seats: number, length, .. } = quote.change else { return None };
    let price = plan?.terms.prices.get(&length)?;
    Some(format!("{} за место на {} × {}", roubles(*price), length.label_ru(), seats(number)))
}

/// The change that waits for the next period once the quote is applied; `None` if it takes effect at once, or withdraws one.
///
/// Only a change of these kinds has no lines, see [`flysk_domain::platform::subscriptions::Effect`].
pub(super) fn waits(quote: &StoredQuote, present: Option<Terms>) -> Option<PendingChange> {
    let terms = present.filter(|_| quote.lines.is_empty())?;
    match quote.change {
        Change::Seats(number) if number != terms.seats => Some(PendingChange::Seats(number)),
        Change::Plan(plan) if plan != terms.plan => Some(PendingChange::Plan(plan)),
        Change::Length(length) if length != terms.length => Some(PendingChange::Length(length)),
        _ => None,
    }
}

/// When the change takes effect, and what it means.
pub(super) fn effect(quote: &StoredQuote, subscription: &Subscription) -> Vec<String> {
    let line = quote.lines.first();
    match quote.change {
        Change::Start { .. } => {
            let mut words = vec!["Подписка начнётся в день оплаты.".to_owned()];
            if subscription.state == SubscriptionState::Trialing {
                words.push("Пробный период на этом закончится.".to_owned());
            }
            words
        }
        Change::Renew => line
            .map(|line| {
                format!("Оплачивается период {}. Он начнётся, когда закончится нынешний.", line.period)
            })
            .into_iter()
            .collect(),
        _ if quote.total.is_positive() => vec![
            "Изменение начнёт действовать сразу после оплаты.".to_owned(),
            "Доплата считается за оставшиеся дни периода, сегодняшний входит в них.".to_owned(),
        ],
        _ if line.is_some() => vec!["Изменение начнёт действовать сразу, платить не нужно.".to_owned()],
        _ if waits(quote, subscription.terms).is_some() => {
            let from = subscription.paid_until().map(day).unwrap_or_default();
            vec![
                format!(
                    "Изменение начнёт действовать со следующего периода, {from}. До этого всё останется как есть."
                ),
                "Сейчас ничего не спишется. Изменение можно отменить до этого дня.".to_owned(),
            ]
        }
        _ => vec!["Запланированное изменение будет отменено, останутся нынешние условия.".to_owned()],
    }
}

/// A former quote beside the new one.
#[derive(Debug)]
pub(super) struct Former {
    /// Why it does not count any more.
    pub(super) reason: String,
    /// Lines of the quote.
    pub(super) lines: Vec<LineRow>,
    /// Total of the quote.
    pub(super) total: String,
    /// Whether the new lines are others.
    pub(super) differs: bool,
}

impl Former {
    /// Compares a former quote with the one that replaced it.
    pub(super) fn of(former: &StoredQuote, new: &StoredQuote, now: DateTime<Utc>) -> Self {
        let reason = if now >= former.expires_at {
            let last = last_day(moscow_day(former.expires_at));
            format!("Прежний расчёт действовал до конца дня {last} по Москве.")
        } else {
            "Пока расчёт был открыт, изменились подписка или тариф.".to_owned()
        };
        let (before, after) = (lines::rows(&former.lines), lines::rows(&new.lines));
        let differs = before != after || former.total != new.total;
        Self { reason, lines: before, total: roubles(former.total), differs }
    }
}
