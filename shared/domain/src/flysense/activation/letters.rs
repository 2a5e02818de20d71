//! Notices by e-mail, for people whom the messenger does not reach.

use super::message::Outgoing;
use super::notices::NoticeKind;
use crate::letter::Letter;

const FOOTER: &str = "Письмо отправлено автоматически на адрес из вашего профиля amoCRM, потому что в мессенджер написать не удалось.";

/// The letter that says what `notice` says. The commands of the bot are left out; `switch_off` is the page that replaces them.
pub fn compose(kind: NoticeKind, host: &str, notice: &Outgoing, switch_off: &str) -> Letter {
    let paragraphs = notice.text.split("\n\n").filter(|text| !text.starts_with('/'));
    Letter {
        subject: format!("FlySense AI: {}", kind.label()),
        paragraphs: paragraphs.map(str::to_owned).collect(),
        action: ("Открыть настройки виджета", format!("https://{host}/settings/widgets/")),
        footer: FOOTER,
        switch_off: Some(switch_off.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flysense::activation::notices::{WeekOfCalls, access_lost, balance_low, calls_wait, digest};

    const HOST: &str = "demo.amocrm.ru";
    const OFF: &str = "https://api.example.com/mail?ticket=x";

    #[test]
    fn a_letter_says_what_the_bot_says_without_its_commands() {
        for (kind, notice) in [
            (NoticeKind::BalanceLow, balance_low(HOST, 2, 100_000_000)),
            (NoticeKind::CallsWait, calls_wait(HOST, 7)),
            (NoticeKind::AccessLost, access_lost(HOST)),
            (NoticeKind::Digest, digest(HOST, WeekOfCalls { done: 3, ..WeekOfCalls::default() })),
        ] {
            assert!(kind.goes_by_mail(), "{kind}");
            let letter = compose(kind, HOST, &notice, OFF);
            let text = letter.text();
            let said = notice.text.split("\n\n").next().unwrap();
            assert!(text.contains(said) && !text.contains("/settings —"), "{text}");
            assert!(
                text.contains("https://demo.amocrm.ru/settings/widgets/\n") && text.contains(OFF),
                "{text}"
            );
            assert_eq!(letter.subject, format!("FlySense AI: {}", kind.label()));
        }
    }

    #[test]
    fn what_the_payer_is_told_by_the_platform_is_not_told_by_e_mail_again() {
        for kind in [NoticeKind::TrialEnding, NoticeKind::PaymentFailed, NoticeKind::SubscriptionExpired] {
            assert!(!kind.goes_by_mail(), "{kind}");
        }
    }
}
