//! Texts of the bot, in Russian and without markup. Each answer says what to do next.

use std::fmt::Write as _;

use super::command::Command;
use super::link::{EnableFailure, MAX_WRONG_CODES};
use super::message::{ContactFault, Keyboard, Outgoing};
use super::messenger::Messenger;
use super::notices::NoticeKind;

/// Label of the button that sends the phone number.
const SHARE_LABEL: &str = "Подтвердить и отправить номер";

/// Instruction for getting a link.
const GET_LINK: &str = "Откройте настройки виджета FlySense AI в amoCRM и нажмите «Активировать».";

/// Account and user that a link was created for.
#[derive(Debug, Clone, Copy)]
pub struct LinkOwner<'a> {
    /// Host of the account: `demo.amocrm.ru`.
    pub host: &'a str,
    /// Name of the user of amoCRM who created the link; `None` if amoCRM did not tell it.
    pub user_name: Option<&'a str>,
}

/// Names the account and the user, explains what happens to the phone number, and requests it.
pub fn ask_for_contact(owner: LinkOwner<'_>) -> Outgoing {
    let host = owner.host;
    let who = match owner.user_name {
        Some(name) => format!("Ссылку создал сотрудник: {name}."),
        None => "Ссылку создал администратор этого аккаунта.".to_owned(),
    };
    let text = format!(
        "Включить FlySense AI в аккаунте {host}?\n{who}\n\n\
         Если это ваш аккаунт, подтвердите номер телефона кнопкой «{SHARE_LABEL}». Если нет — просто закройте этот чат.\n\n\
         Отправляя номер, вы соглашаетесь на его обработку: он нужен, чтобы подтвердить, кто включил виджет, и присылать \
         вам уведомления о нём, а если мессенджер недоступен — на почту из вашего профиля amoCRM. Номер и почта хранятся в \
         России в зашифрованном виде и никому не передаются. Удалить их можно в любой момент командой /stop."
    );
    Outgoing { text, keyboard: Keyboard::RequestContact(SHARE_LABEL.to_owned()) }
}

/// Answer to a contact that is not proven to be the sender's own.
pub fn contact_refused(fault: ContactFault, owner: LinkOwner<'_>) -> Outgoing {
    let why = match fault {
        ContactFault::OtherPerson => "Это номер другого человека.",
        ContactFault::Forwarded => "Пересланный контакт не подтверждает ваш номер.",
        ContactFault::NoProof => "Этот контакт отправлен не кнопкой, поэтому он не подтверждает ваш номер.",
        ContactFault::NoPhone => "В этом контакте нет номера телефона.",
    };
    let text = format!(
        "{why} Чтобы включить FlySense AI в аккаунте {}, нажмите кнопку «{SHARE_LABEL}» под этим сообщением.",
        owner.host
    );
    Outgoing { text, keyboard: Keyboard::RequestContact(SHARE_LABEL.to_owned()) }
}

/// The number is confirmed; FlySense is being switched on.
pub fn contact_accepted(host: &str, phone_masked: &str) -> Outgoing {
    Outgoing::last(format!("Номер {phone_masked} подтверждён. Включаю FlySense AI в аккаунте {host}…"))
}

/// FlySense works.
pub fn enabled(host: &str) -> Outgoing {
    Outgoing::last(format!(
        "Готово: FlySense AI работает в аккаунте {host}. Звонки всех сотрудников расшифровываются автоматически, \
         расшифровка появляется в карточке сделки. Вернитесь в amoCRM.\n\n\
         Сюда будут приходить важные уведомления. /settings — выбрать какие, /status — что подключено, \
         /stop — отключить уведомления и удалить номер."
    ))
}

/// FlySense could not be switched on.
pub fn enable_failed(host: &str, failure: EnableFailure) -> Outgoing {
    Outgoing::last(match failure {
        EnableFailure::AccessLost => format!(
            "Номер подтверждён, но у FlySense AI нет доступа к аккаунту {host}. Откройте настройки виджета в amoCRM, \
             нажмите «Переподключить», затем «Активировать»."
        ),
        EnableFailure::NotInstalled => {
            format!(
                "Номер подтверждён, но FlySense AI не установлен в аккаунте {host}. Установите виджет и повторите."
            )
        }
        EnableFailure::Refused => format!(
            "Номер подтверждён, но включить FlySense AI в аккаунте {host} не получилось. Попробуйте ещё раз из настроек \
             виджета; если не поможет, напишите в поддержку."
        ),
    })
}

/// Started without a link: the messenger may have lost it.
pub fn lead_to_link() -> Outgoing {
    Outgoing::last(format!(
        "Это бот FlySense AI — расшифровки звонков в amoCRM.\n\n{GET_LINK} Если вы уже нажали её, отправьте сюда код из \
         8 знаков, который показан рядом с кнопкой, — например, 7K3M-9QXD."
    ))
}

/// The link or code has expired.
pub fn expired() -> Outgoing {
    Outgoing::last(format!("Срок действия истёк. {GET_LINK} Вы получите новую ссылку и новый код."))
}

/// A newer link replaces it.
pub fn replaced() -> Outgoing {
    Outgoing::last(format!("Эта ссылка больше не действует: вместо неё создана новая. {GET_LINK}"))
}

/// Reply to a link that is not stored.
pub fn unknown_link() -> Outgoing {
    Outgoing::last(format!("Такой ссылки нет. {GET_LINK}"))
}

/// Answer to a person whose link another person has opened.
pub fn foreign(opened_in: Messenger) -> Outgoing {
    Outgoing::last(format!(
        "Эту ссылку уже открыли в {}. Каждая ссылка — для одного человека. {GET_LINK} Вы получите свою.",
        opened_in.label()
    ))
}

/// Warning to the owner of a link that another person presented it.
pub fn foreign_attempt(host: &str) -> Outgoing {
    Outgoing::text(format!(
        "Кто-то ещё пытался открыть вашу ссылку для аккаунта {host}. Он получил отказ. Если вы никому её не \
         пересылали, сообщите администратору аккаунта."
    ))
}

/// The code is wrong; `left` tries are left.
pub fn wrong_code(left: u32) -> Outgoing {
    Outgoing::text(format!(
        "Код не подходит. Проверьте его в настройках виджета: код действует 10 минут. Осталось попыток: {left}."
    ))
}

/// Too many wrong codes.
pub fn too_many_codes() -> Outgoing {
    Outgoing::text(format!(
        "Неверный код введён {MAX_WRONG_CODES} раз. Следующая попытка — через час. Вместо кода можно открыть ссылку или \
         QR-код из настроек виджета на телефоне."
    ))
}

/// The person has already confirmed the number through this link.
pub fn already_bound(host: &str) -> Outgoing {
    Outgoing::last(format!("Вы уже подтвердили номер для аккаунта {host}. /status — что подключено."))
}

/// Accounts that the person is bound to.
pub fn status(hosts: &[String], phone_masked: &str) -> Outgoing {
    let list = hosts.join("\n• ");
    Outgoing::text(format!(
        "FlySense AI подключён к аккаунтам:\n• {list}\nВаш номер: {phone_masked}\n\n/stop — отключить уведомления и удалить номер."
    ))
}

/// The notices that the person gets, with a button for each kind.
pub fn settings(muted: &[NoticeKind]) -> Outgoing {
    let mut text =
        String::from("Уведомления FlySense AI (с 9 до 21 часа, не чаще одного каждого вида в день):\n");
    for kind in NoticeKind::ALL {
        let state = if muted.contains(kind) { "выключено" } else { "включено" };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n• {} — {state}", kind.label());
    }
    let label = |kind: &NoticeKind| Command::switch_label(*kind, muted.contains(kind));
    Outgoing { text, keyboard: Keyboard::Texts(NoticeKind::ALL.iter().map(label).collect()) }
}

/// All bindings were ended.
pub fn stopped() -> Outgoing {
    Outgoing::last(
        "Уведомления отключены, номер удалён. FlySense AI в amoCRM продолжает работать. Чтобы подключиться снова, \
         откройте настройки виджета и нажмите «Активировать».",
    )
}

/// Help: the bot's commands.
pub fn help() -> Outgoing {
    Outgoing::text(
        "Этот бот включает FlySense AI — расшифровки звонков в amoCRM — и присылает уведомления о нём.\n\n\
         /status — что подключено\n/settings — какие уведомления присылать\n/stop — отключить уведомления и удалить номер\n/help — эта справка\n\n\
         Чтобы включить виджет, откройте его настройки в amoCRM и нажмите «Активировать».",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_user_and_consent_come_before_the_button() {
        let asked = ask_for_contact(LinkOwner { host: "demo.amocrm.ru", user_name: Some("Анна") });
        for part in ["demo.amocrm.ru", "Анна", "соглашаетесь", "/stop"] {
            assert!(asked.text.contains(part), "{part}");
        }
        assert!(matches!(asked.keyboard, Keyboard::RequestContact(_)));
    }

    #[test]
    fn every_text_fits_into_a_message_of_every_messenger() {
        let host = format!("{}.amocrm.ru", "a".repeat(200));
        let owner = LinkOwner { host: &host, user_name: Some(&host) };
        let texts = [ask_for_contact(owner), enabled(&host), foreign_attempt(&host), help(), lead_to_link()];
        for text in texts {
            for messenger in Messenger::ALL {
                assert!(text.text.chars().count() <= messenger.max_text_chars());
            }
        }
    }
}
