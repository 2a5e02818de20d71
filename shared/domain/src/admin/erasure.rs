//! Erasure of an account's personal data: kinds of data, states, what is kept and why.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A kind of data that is erased.
    ErasedKind {
        /// Transcripts of calls.
        Transcripts = "transcripts", "Тексты разговоров";
        /// Calls with their summaries, tags and labels.
        Calls = "calls", "Звонки с итогами, тегами и метками";
        /// Recordings of calls in object storage.
        Recordings = "recordings", "Записи звонков в хранилище";
        /// Notices of amoCRM about calls, as they were received.
        Hooks = "hooks", "Уведомления amoCRM о звонках";
        /// Records of amoCRM's feed.
        Events = "events", "Записи ленты amoCRM";
        /// The account's own tags.
        Tags = "tags", "Словарь тегов";
        /// People who are bound in messengers.
        Bindings = "bindings", "Привязки мессенджеров с телефонами и именами";
        /// Links of activation with names of users.
        Links = "links", "Ссылки активации с именами";
        /// Messages of the bots.
        Messages = "messages", "Сообщения ботов";
        /// Names of the account.
        Names = "names", "Название аккаунта";
        /// Settings of widgets with their history.
        Settings = "settings", "Настройки виджетов и их история";
        /// OAuth tokens.
        Tokens = "tokens", "Токены доступа";
        /// E-mail addresses for receipts.
        Contacts = "contacts", "Адреса для чеков";
        /// Saved cards.
        Cards = "cards", "Сохранённые карты";
        /// Bodies of the bank's notifications.
        Notifications = "notifications", "Тексты уведомлений банка";
        /// Letters and their settings.
        Letters = "letters", "Письма и настройки писем";
        /// Users who occupy seats of a subscription.
        Seats = "seats", "Пользователи на местах подписки";
        /// Data of events for vendors.
        EventData = "event_data", "Данные событий для продавцов";
        /// Answers of vendors' backends to events.
        Answers = "answers", "Ответы серверов продавцов";
        /// Comments of transactions.
        Comments = "comments", "Комментарии к операциям с Flycoins";
        /// Exported files, which may contain the account.
        Exports = "exports", "Файлы выгрузок панели";
    }
);

labeled_enum!(
    /// Side that keeps a kind of data. Each side erases its own tables.
    ErasureSide {
        /// FlySense: calls, and people who are bound in messengers.
        Calls = "calls", "FlySense";
        /// The platform: the customer.
        Customer = "customer", "Платформа";
    }
);

impl ErasedKind {
    /// Side that keeps this kind.
    pub const fn side(self) -> ErasureSide {
        match self {
            Self::Transcripts
            | Self::Calls
            | Self::Recordings
            | Self::Hooks
            | Self::Events
            | Self::Tags
            | Self::Bindings
            | Self::Links
            | Self::Messages => ErasureSide::Calls,
            Self::Names
            | Self::Settings
            | Self::Tokens
            | Self::Contacts
            | Self::Cards
            | Self::Notifications
            | Self::Letters
            | Self::Seats
            | Self::EventData
            | Self::Answers
            | Self::Comments
            | Self::Exports => ErasureSide::Customer,
        }
    }
}

labeled_enum!(
    /// State of an erasure.
    ErasureState {
        /// Jobs perform it.
        Running = "running", "выполняется";
        /// Everything is erased.
        Done = "done", "выполнено";
        /// The account installed a widget again: what is left is kept.
        Stopped = "stopped", "прекращено";
    }
);

/// Data that an erasure keeps, and the reason, in Russian.
pub const KEPT: [(&str, &str); 6] = [
    ("Номер и домен аккаунта", "по ним счета и чеки относятся к покупателю (402-ФЗ, статья 29: пять лет)"),
    (
        "Счета, платежи, возвраты, чеки, кошельки и операции с Flycoins: номера, даты, суммы",
        "первичные документы и фискальные данные (402-ФЗ, 54-ФЗ, НК РФ, статья 23)",
    ),
    (
        "Согласия на списания с карты: номер пользователя amoCRM, адрес в сети, текст и время",
        "доказательство законности списаний, пока их можно оспорить (ГК РФ, статья 196: три года)",
    ),
    (
        "Журнал действий операторов",
        "цепочка хешей: изменённая строка разорвала бы её; это учёт обработки данных (152-ФЗ, статья 18.1)",
    ),
    (
        "Адрес для чека, пока по покупке или счёту идёт платёж, возврат или ждёт закрывающий чек",
        "чек обязаны отправить покупателю (54-ФЗ, статья 1.2); после этого адрес сотрётся сам",
    ),
    (
        "Коды авторизации, технические ошибки заданий и сообщения бота в чате, общем с другим аккаунтом",
        "удаляются по своим срокам, не позже чем через 90 дней",
    ),
];

/// Whether what an operator typed confirms the erasure of the account at `host`.
pub fn confirms_domain(typed: &str, host: &str) -> bool {
    !host.is_empty() && typed.trim().eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_domain_confirms() {
        assert!(confirms_domain(" Demo.amocrm.ru ", "demo.amocrm.ru"));
        assert!(!confirms_domain("demo", "demo.amocrm.ru") && !confirms_domain("", ""));
    }

    #[test]
    fn each_side_has_kinds_of_its_own() {
        for side in ErasureSide::ALL {
            assert!(ErasedKind::ALL.iter().any(|kind| kind.side() == *side), "{side}");
        }
    }
}
