//! The letter that invites a vendor's people to the portal.

use chrono::NaiveDate;

use super::letter::Letter;
use crate::russian::day;

const FOOTER: &str = "Письмо отправлено по просьбе оператора Flysk. Если вы его не ждали, ничего не делайте: ссылка перестанет работать сама.";

impl Letter {
    /// The letter with the `link` that accepts an invitation of the vendor named `vendor`. The link works once, until some
    /// time of the day `until`.
    pub fn invitation(vendor: &str, link: &str, until: NaiveDate) -> Self {
        Self {
            subject: format!("Приглашение в портал Flysk: {vendor}"),
            paragraphs: vec![
                format!("Вас приглашают в портал Flysk, где видны виджеты продавца «{vendor}»."),
                "По ссылке вы придумаете пароль и подключите приложение с кодами входа. Входить потом нужно с адресом, на который \
                 пришло это письмо."
                    .to_owned(),
                format!("Ссылка работает один раз, до {}. Никому её не пересылайте.", day(until)),
            ],
            action: ("Принять приглашение", link.to_owned()),
            footer: FOOTER,
            switch_off: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_has_its_link_and_no_way_to_switch_letters_off() {
        let link = "https://portal.example.com/portal/invitation?invitation=st1.k1.abc";
        let letter = Letter::invitation("ООО «Ромашка» <b>", link, "2026-12-08".parse().unwrap());
        let (text, html) = (letter.text(), letter.html());
        assert!(text.contains(link) && text.contains("до 08.12.2026"), "{text}");
        assert!(html.contains(link) && html.contains("&lt;b&gt;"), "{html}");
        assert!(!text.contains("Не присылать") && !html.contains("Не присылать"), "{html}");
    }
}
