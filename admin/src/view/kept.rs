//! Fields of a refused form, shown again.

use super::labels::label_of;

/// Length of a value that is shown in several lines, in characters.
const LONG_VALUE_LEN: usize = 80;
/// Fields that a form has besides what the operator wrote.
const HIDDEN_FIELDS: [&str; 10] =
    ["key", "seen", "version", "list", "query", "next", "quote", "action", "at", "expected"];

/// Labels of fields by name. Where forms differ, the label fits all of them.
const LABELS: [(&str, &str); 71] = [
    ("account", "Аккаунт"),
    ("amount", "Сумма, Flycoins"),
    ("at_least", "Не меньше секунд"),
    ("billing", "Биллинг, JSON"),
    ("bonus", "Бонус, Flycoins"),
    ("bonus_days", "Срок бонуса, дней"),
    ("bulk", "Право: массовые действия"),
    ("card", "Карта"),
    ("charge_initiator", "Повторные списания"),
    ("client_uuid", "Client id интеграции"),
    ("closing_receipts", "Закрывающий чек"),
    ("code", "Код"),
    ("coins", "Flycoins"),
    ("days", "Дней"),
    ("delivery_delays", "Повторы доставки, секунд"),
    ("disabled", "Отключён"),
    ("email", "E-mail для клиентов"),
    ("event_kinds", "Виды событий"),
    ("event_url", "Адрес событий"),
    ("event_urls", "Адреса по видам"),
    ("events_carry_token", "Токен рядом с подписью"),
    ("export", "Право: выгрузка списков"),
    ("features", "Что входит, JSON"),
    ("file_format", "Формат файла"),
    ("from", "Действует с"),
    ("half", "Место за 6 месяцев, рублей"),
    ("inn", "ИНН"),
    ("keep_hours", "Прежний действует ещё, часов"),
    ("kind", "Что"),
    ("legal_name", "Название в чеках"),
    ("length", "Период"),
    ("listen", "Право: прослушивание звонков"),
    ("login", "Логин"),
    ("losing", "Аккаунтов потеряют доступ"),
    ("max_seats", "Мест не больше"),
    ("min_seats", "Мест не меньше"),
    ("month", "Место за 1 месяц, рублей"),
    ("name", "Название или имя"),
    ("on", "Первый день новой цены"),
    ("phone", "Телефон для клиентов"),
    ("plan", "Тариф"),
    ("platform", "Сервис"),
    ("prepayment_receipts", "Чек при оплате: предоплата"),
    ("quarter", "Место за 3 месяца, рублей"),
    ("rate", "Цена, Flycoins"),
    ("reason", "Причина"),
    ("redirect_uri", "Redirect URI"),
    ("revoked", "Приглашение"),
    ("role", "Роль"),
    ("roubles", "Сумма, рублей"),
    ("schema", "Схема, JSON Schema"),
    ("seats", "Мест"),
    ("service", "Услуга"),
    ("settings", "Настройки"),
    ("shared", "Для всех операторов"),
    ("shown", "Пояснение для клиента"),
    ("starts_switched_off", "Новые установки ждут включения"),
    ("taxation", "Система налогообложения"),
    ("terminal_key", "Ключ терминала"),
    ("title", "Название"),
    ("to", "Версия"),
    ("trial_days", "Пробных дней"),
    ("typed", "Число строк"),
    ("unit", "Единица"),
    ("user", "Пользователь"),
    ("uses_flycoins", "Оплата в Flycoins"),
    ("uses_subscriptions", "Оплата подпиской"),
    ("vat", "НДС"),
    ("widget", "Виджет"),
    ("widget_version", "Версия виджета"),
    ("year", "Место за 12 месяцев, рублей"),
];

/// A field of a refused form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptField {
    /// Name.
    pub(crate) name: String,
    /// Label in Russian; the name of a field that has none.
    pub(crate) label: String,
    /// Value.
    pub(crate) value: String,
    /// Whether it is sent but not shown.
    pub(crate) hidden: bool,
}

impl KeptField {
    /// A field with this name and value.
    pub(crate) fn new((name, value): (String, String)) -> Self {
        let label = label_of(&LABELS, &name).to_owned();
        let hidden = HIDDEN_FIELDS.contains(&name.as_str());
        Self { name, label, value, hidden }
    }

    /// Lines of the field's box.
    pub(crate) fn rows(&self) -> usize {
        if self.value.contains('\n') || self.value.chars().count() > LONG_VALUE_LEN { 8 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_labels_and_technical_ones_are_hidden() {
        let kept = |name: &str| {
            let field = KeptField::new((name.to_owned(), "x".to_owned()));
            (field.label, field.hidden)
        };
        assert_eq!(kept("reason"), ("Причина".to_owned(), false));
        assert_eq!(kept("new_field"), ("new_field".to_owned(), false));
        for technical in ["key", "seen", "version", "list", "query"] {
            assert!(kept(technical).1, "{technical}");
        }
    }
}
