//! Letters about invoices that firms pay by bank transfer, to the address that the invoice was asked for with.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::letter::Letter;
use crate::UnknownText;
use crate::money::Kopecks;
use crate::platform::transfers::TransferInvoiceState;
use crate::russian::{day, roubles};

/// A letter about a transfer invoice; each is sent once.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferLetter {
    /// The invoice was written.
    Issued,
    /// Tomorrow is its last day.
    DueTomorrow,
    /// The sum of the invoice has arrived.
    Paid,
}

impl TransferLetter {
    /// Whether the letter is still true: a night may lie between its cause and its sending.
    pub const fn is_true_of(self, state: TransferInvoiceState) -> bool {
        match self {
            Self::Issued | Self::DueTomorrow => state.is_open(),
            Self::Paid => matches!(state, TransferInvoiceState::Paid),
        }
    }
}

/// What a letter about a transfer invoice says.
#[derive(Debug, Clone, Copy)]
pub struct TransferFacts<'a> {
    /// As the account sees it in amoCRM.
    pub widget: &'a str,
    /// Domain of the account: `demo.amocrm.ru`.
    pub host: &'a str,
    /// Number in the seller's series.
    pub number: i64,
    /// In Russian, as the invoice has it.
    pub title: &'a str,
    /// Rest that is still to be paid.
    pub missing: Kopecks,
    /// Last day to pay.
    pub due_on: NaiveDate,
    /// Purpose that the payer writes.
    pub purpose: &'a str,
}

const FOOTER: &str = "Письмо отправлено автоматически на адрес, на который просили выставить счёт.";

impl Letter {
    /// The letter about a transfer invoice. `switch_off`: page where letters about such invoices are switched off.
    pub fn about_transfer(letter: TransferLetter, facts: &TransferFacts<'_>, switch_off: &str) -> Self {
        let (number, sum, due) = (facts.number, roubles(facts.missing), day(facts.due_on));
        let (title, first, then) = match letter {
            TransferLetter::Issued => (
                format!("счёт № {number}"),
                format!(
                    "Выставлен счёт № {number} на {sum}: {}. Цена действует до {due} включительно.",
                    facts.title
                ),
                format!(
                    "Назначение платежа: {}. Доступ откроется, когда деньги поступят целиком. Счёт можно скачать на странице \
                     оплаты, она открывается из виджета.",
                    facts.purpose.trim_end_matches('.')
                ),
            ),
            TransferLetter::DueTomorrow => (
                format!("счёт № {number} действует до завтра"),
                format!("По счёту № {number} осталось оплатить {sum}. Цена действует до {due} включительно."),
                "Если перевод уже отправлен, ничего делать не нужно.".to_owned(),
            ),
            TransferLetter::Paid => (
                format!("счёт № {number} оплачен"),
                format!("Деньги по счёту № {number} поступили: {}.", facts.title),
                "Акт появится на странице счёта, когда услуга будет оказана.".to_owned(),
            ),
        };
        Self {
            subject: format!("{}: {title}", facts.widget),
            paragraphs: vec![first, then, format!("Виджет «{}», аккаунт {}.", facts.widget, facts.host)],
            action: ("Открыть виджеты в amoCRM", format!("https://{}/settings/widgets/", facts.host)),
            footer: FOOTER,
            switch_off: Some(switch_off.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(kind: TransferLetter) -> Letter {
        let facts = TransferFacts {
            widget: "Звонки",
            host: "demo.amocrm.ru",
            number: 1_000_017,
            title: "Тариф «Про»",
            missing: Kopecks(149_900),
            due_on: "2026-12-08".parse().unwrap(),
            purpose: "Оплата по счету № 1000017 от 01.12.2026, НДС не облагается. Тариф «Про»",
        };
        Letter::about_transfer(kind, &facts, "https://api.example.com/mail/off")
    }

    #[test]
    fn a_letter_names_number_sum_and_last_day() {
        let issued = letter(TransferLetter::Issued);
        assert_eq!(issued.subject, "Звонки: счёт № 1000017");
        let text = issued.text();
        for part in
            ["на 1\u{a0}499\u{a0}₽: Тариф «Про».", "до 08.12.2026", "Назначение платежа: Оплата по счету"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(letter(TransferLetter::DueTomorrow).text().contains("осталось оплатить 1\u{a0}499\u{a0}₽"));
        assert!(letter(TransferLetter::Paid).text().contains("Деньги по счёту № 1000017 поступили"));
    }

    #[test]
    fn a_letter_that_is_no_longer_true_is_not_sent() {
        use TransferInvoiceState::{Issued, Paid, Sending, Void};
        for (letter, state, is_true) in [
            (TransferLetter::Issued, Sending, true),
            (TransferLetter::Issued, Void, false),
            (TransferLetter::DueTomorrow, Issued, true),
            (TransferLetter::DueTomorrow, Paid, false),
            (TransferLetter::Paid, Paid, true),
        ] {
            assert_eq!(letter.is_true_of(state), is_true, "{letter} {state}");
        }
    }
}
