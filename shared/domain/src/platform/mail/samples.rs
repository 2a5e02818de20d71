//! Letters with sample facts: what operators see before a payer does.

use chrono::{Days, NaiveDate};

use super::{ChargedCard, Links, MailFacts, MailKind, TransferFacts, TransferLetter};
use crate::letter::{Letter, SampleLetter};
use crate::money::Kopecks;
use crate::platform::subscriptions::PRICE_NOTICE_DAYS;

/// Target of the buttons in samples: a page that does not exist.
const PAY: &str = "https://example.com/pay";
const SWITCH_OFF: &str = "https://example.com/mail";
const UNLINK: &str = "https://example.com/unlink";
/// Days until what a reminder is about.
const REMINDER_DAYS: u32 = 3;
/// Days for which the widget works without a payment.
const GRACE_DAYS: u32 = 14;

impl MailKind {
    /// When a notice of the kind is sent, in Russian, for operators.
    pub const fn cause_ru(self) -> &'static str {
        match self {
            Self::TrialEnding => "За 3 дня и за день до конца пробного периода",
            Self::TrialEnded => "Когда пробный период закончился без покупки",
            Self::RenewalUpcoming => {
                "За 3 дня до следующего периода; если период дольше месяца, за 7 дней и за день. Если напоминание опоздало, списание \
                 ждёт его не меньше суток"
            }
            Self::PriceChanging => "Не меньше чем за 30 дней до новой цены",
            Self::PaymentFailed => "Когда следующий период не удалось оплатить",
            Self::PastDue => "Когда период закончился, а следующий не оплачен",
            Self::Expired => "Когда подписка закончилась без оплаты",
            Self::TransferInvoice => "Когда счёт выставлен, за день до его срока и когда он оплачен",
        }
    }

    /// The letters of the kind with sample facts, as if written on a day.
    fn samples(self, today: NaiveDate) -> Vec<SampleLetter> {
        if self == Self::TransferInvoice {
            return transfer_samples(today);
        }
        let facts = sample_facts(self, today);
        let is_unpaid = matches!(self, Self::PaymentFailed | Self::PastDue);
        let sample = |code: &str, title: &str, facts: &MailFacts| {
            let card = Some(ChargedCard { tail: Some("0004"), unlink: UNLINK });
            let pay = (is_unpaid && !facts.uninstalled).then_some(PAY);
            let links = Links { pay, card, switch_off: SWITCH_OFF };
            let letter = Letter::compose(self, facts, links);
            SampleLetter { code: code.to_owned(), title: title.to_owned(), cause: self.cause_ru(), letter }
        };
        let mut all = vec![sample(self.code(), self.label(), &facts)];
        if self == Self::RenewalUpcoming {
            let by_hand = MailFacts { renews: false, ..facts.clone() };
            all.push(sample(
                "renewal_upcoming_by_hand",
                "скоро оплата следующего периода, без карты",
                &by_hand,
            ));
        }
        if self == Self::PastDue {
            let uninstalled = MailFacts { renews: false, uninstalled: true, ..facts };
            all.push(sample(
                "past_due_uninstalled",
                "подписка не оплачена, интеграция отключена",
                &uninstalled,
            ));
        }
        all
    }
}

/// Contents of a sample.
fn sample_facts(kind: MailKind, today: NaiveDate) -> MailFacts {
    let after = |days: u32| today.checked_add_days(Days::new(days.into()));
    let on = match kind {
        MailKind::TrialEnding | MailKind::RenewalUpcoming => after(REMINDER_DAYS),
        MailKind::PriceChanging => after(PRICE_NOTICE_DAYS),
        MailKind::PaymentFailed | MailKind::PastDue => after(GRACE_DAYS),
        MailKind::TrialEnded | MailKind::Expired | MailKind::TransferInvoice => None,
    };
    let costs = !matches!(kind, MailKind::TrialEnding | MailKind::TrialEnded | MailKind::Expired);
    MailFacts {
        widget: "Заметки".to_owned(),
        host: "demo.amocrm.ru".to_owned(),
        on,
        days_before: (kind == MailKind::TrialEnding).then_some(REMINDER_DAYS),
        amount: costs.then_some(Kopecks(149_700)),
        previous_amount: (kind == MailKind::PriceChanging).then_some(Kopecks(119_700)),
        renews: true,
        invoice: None,
        uninstalled: false,
    }
}

/// The letters about an invoice for a firm.
fn transfer_samples(today: NaiveDate) -> Vec<SampleLetter> {
    let kind = MailKind::TransferInvoice;
    let facts = TransferFacts {
        widget: "Заметки",
        host: "demo.amocrm.ru",
        number: 1_000_017,
        title: "Тариф «Про», 3 места",
        missing: Kopecks(149_700),
        due_on: today.checked_add_days(Days::new(REMINDER_DAYS.into())).unwrap_or(today),
        purpose: "Оплата по счету № 1000017, НДС не облагается. Тариф «Про», 3 места",
    };
    let sample = |code: &str, title: &str, letter| SampleLetter {
        code: code.to_owned(),
        title: title.to_owned(),
        cause: kind.cause_ru(),
        letter: Letter::about_transfer(letter, &facts, SWITCH_OFF),
    };
    vec![
        sample(kind.code(), kind.label(), TransferLetter::Issued),
        sample(
            "transfer_invoice_due",
            "счёт для организации действует до завтра",
            TransferLetter::DueTomorrow,
        ),
        sample("transfer_invoice_paid", "счёт для организации оплачен", TransferLetter::Paid),
    ]
}

/// All letters about subscriptions with sample facts, as if written on a day.
pub fn sample_letters(today: NaiveDate) -> Vec<SampleLetter> {
    MailKind::ALL.iter().flat_map(|kind| kind.samples(today)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sample_that_names_its_day_and_sum() {
        let all = sample_letters("2026-12-01".parse().unwrap());
        for kind in MailKind::ALL {
            assert!(all.iter().any(|sample| sample.code == kind.code()), "{kind}");
        }
        let text_of = |code: &str| all.iter().find(|sample| sample.code == code).unwrap().letter.text();
        assert!(text_of("trial_ending").contains("через 3 дня, 04.12.2026"));
        assert!(text_of("renewal_upcoming").contains("спишем с привязанной карты 1\u{a0}497\u{a0}₽"));
        assert!(text_of("renewal_upcoming_by_hand").contains("Карты, с которой можно списать"));
        assert!(text_of("past_due_uninstalled").contains("интеграция отключена"));
        assert!(text_of("price_changing").contains("вместо 1\u{a0}197\u{a0}₽"));
        assert!(text_of("past_due").contains(PAY) && !text_of("expired").contains(PAY));
        assert!(text_of("renewal_upcoming").contains(UNLINK));
    }
}
