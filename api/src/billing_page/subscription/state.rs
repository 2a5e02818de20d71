//! The state of a subscription in words: what is now, until when, and what follows.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::failure_ru;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, AfterEnd, Notice, SubscriptionSettings, moscow_day,
};
use flysk_domain::russian::{days_word, roubles};
use flysk_services::subscriptions::SubscriptionDetails;

use super::texts::{day, last_day, moment};

/// The saved card is that of another terminal.
const NOT_CHARGEABLE: &str = "С привязанной карты списать нельзя: она сохранена для другого получателя оплаты, поэтому сами мы ничего не \
    спишем. Карту можно привязать заново при следующей оплате.";

/// Facts that the texts depend on.
pub(super) struct Facts<'a> {
    pub(super) details: &'a SubscriptionDetails,
    /// The widget's settings.
    pub(super) settings: &'a SubscriptionSettings,
    /// The card that is charged for renewals, as people know it.
    pub(super) card: Option<String>,
    /// Whether the bank charges the card for the open invoice now.
    pub(super) is_charging: bool,
    /// Whether the words are for an administrator, who can pay.
    pub(super) is_admin: bool,
    /// Price of the next period.
    pub(super) next_total: Option<Kopecks>,
    /// Today in Moscow.
    pub(super) today: NaiveDate,
}

/// The state, for a page.
#[derive(Debug)]
pub(super) struct StateCard {
    /// Class of the card: `good`, `busy` or `bad`.
    pub(super) tone: &'static str,
    /// Heading.
    pub(super) title: &'static str,
    /// Explanation of the level of access.
    pub(super) access: &'static str,
    /// Level of access, for tests and styles.
    pub(super) level: &'static str,
    pub(super) sentences: Vec<String>,
}

impl Facts<'_> {
    pub(super) fn describe(&self) -> StateCard {
        let access = self.details.access;
        let (tone, title, sentences) = match access.reason {
            AccessReason::Trial => ("busy", "Пробный период", self.trial()),
            AccessReason::Paid | AccessReason::Granted if self.details.row.subscription.cancels => {
                ("busy", "Подписка отменена, но ещё действует", self.cancelling())
            }
            AccessReason::Paid | AccessReason::Granted => ("good", "Подписка активна", self.live()),
            AccessReason::Renewing => ("busy", "Продлеваем подписку", self.renewing()),
            AccessReason::PaymentOverdue => ("bad", "Подписка не оплачена", self.overdue()),
            AccessReason::UnderReview => (
                "busy",
                "Мы проверяем подписку",
                vec![
                    "Платить сейчас не нужно. Вопросы задайте продавцу: его контакты внизу страницы."
                        .to_owned(),
                ],
            ),
            AccessReason::NotSubscribed => ("bad", "Подписки пока нет", self.ended()),
            AccessReason::TrialEnded => ("bad", "Пробный период закончился", self.ended()),
            AccessReason::Expired => ("bad", "Подписка закончилась", self.ended()),
            AccessReason::Cancelled => ("bad", "Подписка отменена", self.ended()),
            AccessReason::NoSeat => ("bad", "Все места заняты", self.live()),
            AccessReason::NotSold => ("good", "Подписка сейчас не нужна", self.not_sold()),
        };
        StateCard { tone, title, access: meaning(access.level), level: access.level.into(), sentences }
    }

    fn not_sold(&self) -> Vec<String> {
        let mut sentences = vec![
            "Этот виджет больше не продаётся по подписке: платить не нужно, с карты ничего не спишется."
                .to_owned(),
        ];
        if self.card.is_some() {
            sentences.push(
                "Если продажа возобновится, возобновятся и списания. Чтобы их не было, отвяжите карту или отмените подписку."
                    .to_owned(),
            );
        }
        sentences
    }

    fn trial(&self) -> Vec<String> {
        let Some(trial) = self.details.row.subscription.trial else { return Vec::new() };
        let left = u32::try_from(trial.days_left(self.today)).unwrap_or_default();
        vec![
            format!(
                "Действует до {} включительно: {left} {}, считая сегодняшний.",
                last_day(trial.until),
                days_word(left)
            ),
            format!("Потом {}, если не оформить подписку. Сами деньги не спишутся.", self.after_end()),
        ]
    }

    fn paid_until(&self) -> NaiveDate {
        self.details.row.subscription.paid_until().unwrap_or(self.today)
    }

    fn until_words(&self) -> String {
        let last = last_day(self.paid_until());
        match self.details.access.reason {
            AccessReason::Granted => format!("Период предоставлен бесплатно, до {last} включительно."),
            _ => format!("Оплачена до {last} включительно."),
        }
    }

    fn cancelling(&self) -> Vec<String> {
        vec![
            self.until_words(),
            format!(
                "После этого дня {}, списаний не будет. До него подписку можно возобновить.",
                self.after_end()
            ),
        ]
    }

    fn live(&self) -> Vec<String> {
        let mut words = vec![self.until_words()];
        if self.details.row.subscription.prepaid.is_some() {
            words.push("Следующий период уже оплачен.".to_owned());
        }
        words.extend(self.new_price());
        let until = day(self.paid_until());
        let sum = self.next_total.map(|total| format!(" {}", roubles(total))).unwrap_or_default();
        if let Some(card) = self.chargeable_card() {
            words.push(format!(
                "{until} спишем{sum} и продлим подписку: {card}. Напомним о списании заранее."
            ));
        } else {
            words.push(match &self.card {
                Some(_) => NOT_CHARGEABLE.to_owned(),
                None => "Автопродление выключено: сами мы ничего не спишем.".to_owned(),
            });
            words.push(format!(
                "Оплатите следующий период до {} включительно. {}",
                last_day(self.paid_until()),
                self.without_payment()
            ));
        }
        words
    }

    /// The card for renewals, if the seller can charge it.
    fn chargeable_card(&self) -> Option<&str> {
        self.card.as_deref().filter(|_| self.details.can_charge_card)
    }

    /// A new price of a seat, of which the account was notified.
    fn new_price(&self) -> Option<String> {
        let (told, on) = self.details.new_price?;
        Some(Notice::of_new_price(told.old_price, told.new_price, on).text)
    }

    /// Consequence of an unpaid next period.
    fn without_payment(&self) -> String {
        match self.settings.grace_days {
            0 => format!("Иначе после этого дня {}.", self.after_end()),
            days => format!(
                "Иначе виджет проработает ещё {days} {} (льготный период), потом {}.",
                days_word(days),
                self.after_end()
            ),
        }
    }

    fn renewing(&self) -> Vec<String> {
        let mut words = vec![format!("Оплаченный период закончился {}.", last_day(self.paid_until()))];
        words.extend(self.charge_words());
        // Access lasts as long as the charge is awaited, which may be longer than the grace after a refusal.
        let grace = self.details.row.subscription.grace_until(self.settings);
        if let Some(until) = grace.filter(|until| self.today < *until) {
            let last = last_day(until);
            words.push(format!("Виджет работает до {last} включительно, даже если оплата не пройдёт."));
        }
        words
    }

    fn overdue(&self) -> Vec<String> {
        let ended = format!("Оплаченный период закончился {}.", last_day(self.paid_until()));
        let mut words = vec![ended];
        match self.details.access.until {
            Some(until) => words.push(format!(
                "Льготный период: виджет работает до {} включительно, потом {}.",
                last_day(moscow_day(until)),
                self.after_end()
            )),
            None => words.push("Льготный период закончился. Оплатите счёт, чтобы вернуть доступ.".to_owned()),
        }
        let failure = self.details.open_invoice.as_ref().and_then(|invoice| invoice.failure.as_ref());
        if let Some(failure) = failure {
            words.push(format!("Списание не прошло. {}", failure_ru(Some(&failure.code))));
        }
        if let Some(open) = &self.details.open_invoice {
            words
                .push(format!("Следующий период считается с {}, а не со дня оплаты.", day(open.period.from)));
        }
        words.extend(self.charge_words());
        words
    }

    /// Next automatic step of the open invoice.
    fn charge_words(&self) -> Option<String> {
        let open = self.details.open_invoice.as_ref()?;
        if self.is_charging {
            return Some("Банк сейчас списывает оплату с карты, платить не нужно.".to_owned());
        }
        match (open.charge_at, self.chargeable_card()) {
            (Some(at), Some(card)) => Some(format!(
                "Спишем {} {}: {card}. Можно оплатить и раньше.",
                roubles(open.total),
                moment(at)
            )),
            _ => {
                self.is_admin.then(|| "Оплатите счёт ниже: подходит любая карта, СБП или SberPay.".to_owned())
            }
        }
    }

    fn ended(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(until) = self.details.row.subscription.paid_until() {
            words.push(format!("Оплаченный период закончился {}.", last_day(until)));
        }
        words.push("Чтобы продолжить, оформите подписку.".to_owned());
        words
    }

    const fn after_end(&self) -> &'static str {
        match self.settings.after_end {
            AfterEnd::Restricted => "виджет будет только показывать данные",
            AfterEnd::Off => "виджет отключится",
        }
    }
}

const fn meaning(level: AccessLevel) -> &'static str {
    match level {
        AccessLevel::Allowed => "Виджет работает",
        AccessLevel::Grace => "Виджет пока работает",
        AccessLevel::Restricted => "Виджет только показывает данные",
        AccessLevel::Off => "Виджет не работает",
    }
}
