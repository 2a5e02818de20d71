//! Fields of a refused form, shown again.

use super::labels::label_of;

/// Length of a value that is shown in several lines, in characters.
const LONG_VALUE_LEN: usize = 80;
/// Fields that a form has besides what the operator wrote.
const HIDDEN_FIELDS: [&str; 10] =
    ["key", "seen", "version", "list", "query", "next", "quote", "action", "at", "expected"];

/// Labels of fields by name. Where forms differ, the label fits all of them.
const LABELS: [(&str, &str); 87] = [
    ("account", "Аккаунт или расчётный счёт"),
    ("amount", "Сумма, Flycoins"),
    ("at_least", "Не меньше секунд"),
    ("balance", "Баланс"),
    ("banking_days", "Считать только банковские дни"),
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
    ("decision", "В кассе"),
    ("delivery_delays", "Повторы доставки, секунд"),
    ("density", "Строки таблиц"),
    ("disabled", "Отключён"),
    ("domain", "Домен аккаунта"),
    ("email", "E-mail"),
    ("erase", "Право: стирание данных аккаунтов"),
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
    ("install", "Установка"),
    ("keep_hours", "Прежний действует ещё, часов"),
    ("kind", "Что"),
    ("legal_name", "Название в чеках"),
    ("length", "Период"),
    ("listen", "Право: прослушивание звонков"),
    ("login", "Логин"),
    ("losing", "Аккаунтов потеряют доступ"),
    ("max_seats", "Мест не больше"),
    ("min_seats", "Мест не меньше"),
    ("minutes", "Начать через, минут"),
    ("month", "Место за 1 месяц, рублей"),
    ("name", "Название или имя"),
    ("number", "Номер счёта"),
    ("on", "Первый день новой цены"),
    ("order", "Номер платёжного поручения"),
    ("order_day", "Дата поручения"),
    ("phone", "Телефон для клиентов"),
    ("plan", "Тариф"),
    ("platform", "Сервис"),
    ("prepayment_receipts", "Чек при оплате: предоплата"),
    ("quarter", "Место за 3 месяца, рублей"),
    ("rate", "Цена, Flycoins"),
    ("reason", "Причина"),
    ("redirect_uri", "Redirect URI"),
    ("request", "Номер запроса"),
    ("review", "Ждут решения"),
    ("revoked", "Приглашение"),
    ("role", "Роль"),
    ("roubles", "Сумма, рублей"),
    ("schema", "Схема, JSON Schema"),
    ("seat_idle_days", "Место свободно после стольких дней без входа"),
    ("seats", "Мест"),
    ("seats_per_user", "Места занимают пользователи"),
    ("secret", "Что отозвать"),
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
    ("typed", "Число строк или клиентов"),
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
    pub(crate) name: String,
    /// Label in Russian; the name of a field that has none.
    pub(crate) label: String,
    pub(crate) value: String,
    /// Whether it is sent but not shown.
    pub(crate) hidden: bool,
}

impl KeptField {
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
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use flysk_domain::admin::OperatorRight;

    use super::*;
    use crate::request::Pairs;

    /// Constructors of fields.
    const KINDS: [&str; 8] = ["text", "password", "number", "date", "lines", "choice", "check", "hidden"];
    /// Names that the code computes: prices of the lengths of a plan, and rights. Tested by their values.
    const COMPUTED: [&str; 2] = ["name", "right.code()"];

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

    /// Files of this crate with an ending, below a folder of it.
    fn files(below: &str, ending: &str) -> Vec<String> {
        let (mut folders, mut texts) =
            (vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension() == Path::new(ending).file_name() {
                    texts.push(std::fs::read_to_string(path).unwrap());
                }
            }
        }
        texts
    }

    /// The source without filters of lists, which are no forms of acts.
    fn without_filters(source: &str) -> String {
        let mut parts = source.split("fn fields(query");
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for filters in parts {
            kept.push_str(filters.split_once("\n    }\n").map_or("", |(_, after)| after));
        }
        kept
    }

    /// First arguments of the constructors of fields, as they are written.
    fn written_names(source: &str) -> Vec<String> {
        let calls = source.split("Field::").skip(1).filter_map(|rest| rest.split_once('('));
        let of_fields = calls.filter(|(kind, _)| KINDS.contains(kind));
        of_fields
            .filter_map(|(_, arguments)| arguments.trim_start().split_once(','))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// The text of a constant, wherever it is.
    fn constant(sources: &[String], name: &str) -> String {
        let declared = format!("const {name}: &str = \"");
        let found = sources.iter().find_map(|source| source.split_once(&declared));
        let (_, value) = found.unwrap_or_else(|| panic!("`{name}` is neither a text nor a constant"));
        value.split('"').next().unwrap_or_default().to_owned()
    }

    /// Names of the fields of all forms of acts, in the code and in templates.
    fn names_of_fields() -> BTreeSet<String> {
        let sources = files("src", "rs");
        let mut names = BTreeSet::new();
        for written in sources.iter().flat_map(|source| written_names(&without_filters(source))) {
            match written.strip_prefix('"') {
                Some(text) => names.insert(text.trim_end_matches('"').to_owned()),
                None if COMPUTED.contains(&written.as_str()) => false,
                None => names.insert(constant(&sources, &written)),
            };
        }
        for template in files("templates", "html") {
            let forms = template.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next());
            let sent = forms.filter(|form| form.contains("method=\"post\""));
            let found = sent.flat_map(|form| form.split("name=\"").skip(1));
            names.extend(
                found
                    .filter_map(|rest| rest.split('"').next())
                    .filter(|name| !name.contains('{'))
                    .map(str::to_owned),
            );
        }
        names
    }

    #[test]
    fn every_field_of_a_form_has_a_label_in_russian_or_is_not_shown() {
        let mut names = names_of_fields();
        assert!(names.len() > 60, "only {} names were found: {names:?}", names.len());
        names.extend(OperatorRight::ALL.iter().map(|right| right.code().to_owned()));
        names.extend(["month", "quarter", "half", "year"].map(str::to_owned));
        let is_shown = |name: &&String| {
            let written = Pairs::default().with(name, "x").written();
            written.into_iter().any(|field| !KeptField::new(field).hidden)
        };
        let unlabeled: Vec<&String> = names
            .iter()
            .filter(is_shown)
            .filter(|name| LABELS.iter().all(|(known, _)| known != name))
            .collect();
        assert!(unlabeled.is_empty(), "forms that are refused show the names of {unlabeled:?}");
    }
}
