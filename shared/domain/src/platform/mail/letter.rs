//! Texts of notices by e-mail, in Russian.

use super::{MailFacts, MailKind};
pub use crate::letter::Letter;
use crate::russian::{day, days_word, roubles};

/// The card that will be charged.
#[derive(Debug, Clone, Copy)]
pub struct ChargedCard<'a> {
    /// Last digits of its number, if they are known.
    pub tail: Option<&'a str>,
    /// Page where it is unlinked.
    pub unlink: &'a str,
}

/// Targets of a letter's links.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// Page where the open invoice is paid; `None` without one.
    pub pay: Option<&'a str>,
    /// The card that a reminder of a charge is about; `None` in other letters.
    pub card: Option<ChargedCard<'a>>,
    /// Page where letters of this kind are switched off.
    pub switch_off: &'a str,
}

impl Letter {
    /// Composes subject, text, button and footer. The same facts give the same letter.
    pub fn compose(kind: MailKind, facts: &MailFacts, links: Links<'_>) -> Self {
        let (title, mut paragraphs) = subject_and_text(kind, facts);
        let card = links.card.filter(|_| kind == MailKind::RenewalUpcoming && facts.renews);
        if let Some(tail) = card.and_then(|card| card.tail) {
            paragraphs.push(format!("Номер карты заканчивается на {tail}."));
        }
        paragraphs.push(format!("Виджет «{}», аккаунт {}.", facts.widget, facts.host));
        let action = match (links.pay, card) {
            (Some(url), _) => ("Оплатить", url.to_owned()),
            (None, Some(card)) => ("Отвязать карту", card.unlink.to_owned()),
            (None, None) => ("Открыть виджеты в amoCRM", format!("https://{}/settings/widgets/", facts.host)),
        };
        Self {
            subject: format!("{}: {title}", facts.widget),
            paragraphs,
            action,
            footer: FOOTER,
            switch_off: Some(links.switch_off.to_owned()),
        }
    }
}

const FOOTER: &str = "Письмо отправлено автоматически на адрес, который указали для чеков.";

/// Where subscriptions are bought and cancelled. Each vendor decides at which place of the widget the link to the page is.
const WHERE: &str = "Страница подписки открывается из виджета.";

/// Subject and paragraphs of a letter.
fn subject_and_text(kind: MailKind, facts: &MailFacts) -> (String, Vec<String>) {
    let on = facts.on.map(day);
    let amount = facts.amount.map(roubles);
    let until = on.as_deref().map(|on| format!(" {on}")).unwrap_or_default();
    let sum = amount.as_deref().map(|amount| format!(" {amount}")).unwrap_or_default();
    let works = on.as_deref().map(|on| format!("Виджет работает до {on}.")).unwrap_or_default();
    let (title, first, then) = match kind {
        MailKind::TrialEnding => {
            let left = facts.days_before.map(|days| format!(" через {days} {}", days_word(days))).unwrap_or_default();
            let on = on.map(|on| format!(", {on}")).unwrap_or_default();
            (
                format!("пробный период закончится{until}"),
                format!("Пробный период закончится{left}{on}."),
                "Оформите подписку, чтобы виджет не отключился.".to_owned(),
            )
        }
        MailKind::TrialEnded => (
            "пробный период закончился".to_owned(),
            "Пробный период закончился.".to_owned(),
            format!("Чтобы продолжить, оформите подписку. {WHERE}"),
        ),
        MailKind::RenewalUpcoming | MailKind::PastDue if facts.uninstalled && !facts.renews => {
            uninstalled(kind, &until, &sum)
        }
        MailKind::RenewalUpcoming if facts.renews => (
            format!("спишем оплату{until}"),
            format!("{} спишем с привязанной карты{sum} за следующий период подписки.", on.unwrap_or_default()),
            format!("Отвязать карту или отменить подписку можно до этого дня. {WHERE}"),
        ),
        MailKind::RenewalUpcoming => (
            format!("подписка закончится{until}"),
            format!("Оплаченный период закончится{until}. Следующий период стоит{sum}."),
            "Карты, с которой можно списать оплату, нет, поэтому сами мы ничего не спишем. Оплатите период или привяжите карту, \
             чтобы виджет не отключился."
                .to_owned(),
        ),
        MailKind::PriceChanging => price_changing(facts, &until, &sum),
        MailKind::PaymentFailed => (
            "оплата не прошла".to_owned(),
            format!("Оплата следующего периода подписки не прошла. К оплате{sum}."),
            format!("{works} Оплатите счёт или привяжите другую карту."),
        ),
        MailKind::PastDue => (
            "подписка не оплачена".to_owned(),
            format!("Оплаченный период подписки закончился, следующий не оплачен. К оплате{sum}."),
            format!("{works} Оплатите счёт, чтобы он не отключился."),
        ),
        MailKind::Expired => (
            "подписка закончилась".to_owned(),
            "Подписка закончилась, потому что следующий период не оплачен.".to_owned(),
            format!("Данные сохранены. Чтобы продолжить, оформите подписку. {WHERE}"),
        ),
        MailKind::TransferInvoice => (
            "счёт для организации".to_owned(),
            format!("Выставлен счёт для организации{until}. К оплате{sum}."),
            "Счёт и его состояние видны на странице оплаты, она открывается из виджета.".to_owned(),
        ),
    };
    (title, [first, then].map(|text| text.trim().to_owned()).into())
}

/// The letter about a renewal that is not charged, because the account has uninstalled the widget. `until` and `sum` begin with a
/// space if they are known.
fn uninstalled(kind: MailKind, until: &str, sum: &str) -> (String, String, String) {
    let (title, first) = if kind == MailKind::PastDue {
        (
            "подписка не продлена".to_owned(),
            "Оплаченный период подписки закончился. За следующий мы ничего не списали: интеграция отключена в \
             аккаунте."
                .to_owned(),
        )
    } else {
        (
            format!("подписка закончится{until}"),
            format!(
                "Оплаченный период закончится{until}. Следующий стоит{sum}, но сами мы ничего не спишем: \
                 интеграция отключена в аккаунте."
            ),
        )
    };
    let then = "Если виджет ещё нужен, подключите его снова: тогда подписку можно продлить. Если нет, \
                делать ничего не нужно: она закончится сама.";
    (title, first, then.to_owned())
}

/// The letter about a new price. `until` and `sum` begin with a space if they are known.
fn price_changing(facts: &MailFacts, until: &str, sum: &str) -> (String, String, String) {
    let before =
        facts.previous_amount.map(|amount| format!(" вместо {}", roubles(amount))).unwrap_or_default();
    (
        format!("новая цена подписки с{until}"),
        format!("Период подписки, который начнётся{until}, и следующие будут стоить{sum}{before}."),
        format!(
            "До этого дня цена не изменится. Если новая цена не подходит, отмените подписку: она закончится вместе с \
             оплаченным периодом. {WHERE}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Kopecks;

    const LINKS: Links<'static> = Links {
        pay: Some("https://api.example.com/pay?a=1&b=2"),
        card: None,
        switch_off: "https://api.example.com/mail/off",
    };

    fn facts() -> MailFacts {
        MailFacts {
            widget: "Звонки <b>&".to_owned(),
            host: "demo.amocrm.ru".to_owned(),
            on: Some("2027-01-01".parse().unwrap()),
            days_before: Some(3),
            amount: Some(Kopecks(149_900)),
            previous_amount: Some(Kopecks(129_900)),
            renews: true,
            invoice: None,
            uninstalled: false,
        }
    }

    #[test]
    fn every_letter_leads_on_and_can_be_switched_off() {
        for &kind in MailKind::ALL {
            for renews in [true, false] {
                let letter = Letter::compose(kind, &MailFacts { renews, ..facts() }, LINKS);
                let (text, html) = (letter.text(), letter.html());
                for part in [&text, &html] {
                    assert!(part.contains("demo.amocrm.ru") && part.contains("Здравствуйте!"), "{part}");
                    assert!(part.contains(LINKS.switch_off), "{part}");
                    assert!(!part.contains("  ") && !part.contains(" ."), "{part}");
                }
                assert!(text.contains("Оплатить:\nhttps://api.example.com/pay?a=1&b=2\n"), "{text}");
            }
        }
    }

    #[test]
    fn nothing_in_a_letter_is_html_that_somebody_else_wrote() {
        let html = Letter::compose(MailKind::PastDue, &facts(), LINKS).html();
        assert!(html.contains("«Звонки &lt;b&gt;&amp;»") && html.contains("pay?a=1&amp;b=2\""), "{html}");
    }

    #[test]
    fn an_account_that_uninstalled_the_widget_is_told_that_nothing_is_charged() {
        let gone = MailFacts { renews: false, uninstalled: true, ..facts() };
        for kind in [MailKind::RenewalUpcoming, MailKind::PastDue] {
            let text = Letter::compose(kind, &gone, Links { pay: None, ..LINKS }).text();
            for part in ["интеграция отключена", "ничего не с", "https://demo.amocrm.ru/settings/widgets/"]
            {
                assert!(text.contains(part), "{text}");
            }
        }
        let again = Letter::compose(MailKind::RenewalUpcoming, &MailFacts { renews: true, ..gone }, LINKS);
        assert!(again.text().contains("спишем с привязанной карты"), "it was installed again meanwhile");
    }

    #[test]
    fn a_reminder_names_day_and_sum_and_whether_a_card_is_charged() {
        let letter =
            |renews| Letter::compose(MailKind::RenewalUpcoming, &MailFacts { renews, ..facts() }, LINKS);
        let charged = letter(true);
        assert_eq!(charged.subject, "Звонки <b>&: спишем оплату 01.01.2027");
        assert!(
            charged.text().contains("01.01.2027 спишем с привязанной карты 1\u{a0}499\u{a0}₽ за следующий")
        );
        assert!(letter(false).text().contains("стоит 1\u{a0}499\u{a0}₽.\n\nКарты, с которой можно списать"));
    }

    #[test]
    fn a_reminder_of_a_charge_names_the_card_and_unlinks_it() {
        let card = ChargedCard { tail: Some("0004"), unlink: "https://api.example.com/unlink/x" };
        let links = Links { pay: None, card: Some(card), ..LINKS };
        let text = |kind, renews| Letter::compose(kind, &MailFacts { renews, ..facts() }, links).text();
        let charged = text(MailKind::RenewalUpcoming, true);
        assert!(charged.contains("Номер карты заканчивается на 0004.\n"), "{charged}");
        assert!(charged.contains("Отвязать карту:\nhttps://api.example.com/unlink/x\n"), "{charged}");
        for other in [text(MailKind::RenewalUpcoming, false), text(MailKind::Expired, true)] {
            assert!(!other.contains("0004") && !other.contains("unlink"), "{other}");
        }
        let unknown = Links { card: Some(ChargedCard { tail: None, ..card }), ..links };
        let text = Letter::compose(MailKind::RenewalUpcoming, &facts(), unknown).text();
        assert!(!text.contains("заканчивается на") && text.contains("/unlink/x"), "{text}");
    }

    /// A vendor's widget need not have anything of the subscription in its settings.
    #[test]
    fn a_letter_says_where_subscriptions_are_bought_and_cancelled() {
        for kind in
            [MailKind::TrialEnded, MailKind::RenewalUpcoming, MailKind::PriceChanging, MailKind::Expired]
        {
            let text = Letter::compose(kind, &facts(), LINKS).text();
            assert!(text.contains(WHERE) && !text.contains("настройках"), "{text}");
        }
    }

    #[test]
    fn without_an_invoice_the_button_opens_the_widgets_of_the_account() {
        let links = Links { pay: None, ..LINKS };
        let text = Letter::compose(MailKind::TrialEnding, &facts(), links).text();
        assert!(text.contains("закончится через 3 дня, 01.01.2027."), "{text}");
        assert!(text.contains("Открыть виджеты в amoCRM:"), "{text}");
        assert!(text.contains("https://demo.amocrm.ru/settings/widgets/\n"), "{text}");
    }
}
