//! Sections of the panel; those of the portal are in [`portal`].

pub(crate) mod portal;

use flysk_domain::admin::{OperatorRight, OperatorRights, OperatorRole};

/// Title, path and needed role of a section.
type Section = (&'static str, &'static str, OperatorRole);

const SUPPORT: OperatorRole = OperatorRole::Support;
const BULK: &str = "/bulk";
const EXPORTS: &str = "/exports";
/// Sections that need a right besides the role.
const NEEDED_RIGHTS: [(&str, OperatorRight); 2] =
    [(BULK, OperatorRight::Bulk), (EXPORTS, OperatorRight::Export)];

/// Groups of sections, in their order.
const GROUPS: [(&str, &[Section]); 4] = [
    ("Обзор", &[("Главная", "/", SUPPORT)]),
    (
        "Клиенты",
        &[
            ("Продавцы", "/vendors", SUPPORT),
            ("Виджеты", "/widgets", SUPPORT),
            ("Аккаунты", "/accounts", SUPPORT),
            ("Установки", "/installs", SUPPORT),
            ("Звонки", "/calls", SUPPORT),
        ],
    ),
    (
        "Деньги",
        &[
            ("Подписки", "/subscriptions", SUPPORT),
            ("Счета", "/invoices", SUPPORT),
            ("Платежи", "/payments", SUPPORT),
            ("Чеки", "/receipts", SUPPORT),
            ("Счета для переводов", "/transfer-invoices", SUPPORT),
            ("Переводы", "/transfers", SUPPORT),
            ("Тарифы", "/plans", SUPPORT),
            ("Кошельки", "/wallets", SUPPORT),
            ("Покупки", "/purchases", SUPPORT),
            ("Пакеты", "/packages", SUPPORT),
            ("Цены", "/prices", SUPPORT),
            ("Уведомления банка", "/notifications", SUPPORT),
            ("Расхождения", "/discrepancies", SUPPORT),
            ("Заявки", "/approvals", SUPPORT),
        ],
    ),
    (
        "Система",
        &[
            ("Задания", "/jobs", SUPPORT),
            ("События", "/events", SUPPORT),
            ("Ошибки API", "/api-errors", SUPPORT),
            ("Письма", "/letters", SUPPORT),
            ("Журнал", "/audit", SUPPORT),
            ("Массовые действия", BULK, SUPPORT),
            ("Выгрузки", EXPORTS, SUPPORT),
            ("Операторы", "/operators", OperatorRole::Owner),
        ],
    ),
];

#[derive(Debug)]
pub(crate) struct NavGroup {
    pub(crate) title: &'static str,
    /// Sections that the operator may open.
    pub(crate) items: Vec<NavItem>,
}

/// A section.
#[derive(Debug)]
pub(crate) struct NavItem {
    pub(crate) title: &'static str,
    /// Path of its list.
    pub(crate) path: &'static str,
    /// Whether the current page belongs to it.
    pub(crate) current: bool,
}

/// Whether a path is that of a section.
pub(crate) fn is_section(path: &str) -> bool {
    GROUPS.iter().flat_map(|(_, sections)| sections.iter()).any(|(_, known, _)| *known == path)
}

/// Whether a role with these rights may open a path: that of a section only with the role and the rights of the section.
pub(crate) fn is_open_to(path: &str, role: OperatorRole, rights: &OperatorRights) -> bool {
    let mut sections = GROUPS.iter().flat_map(|(_, sections)| sections.iter());
    let needed = sections.find(|(_, known, _)| *known == path).map(|(_, _, needed)| *needed);
    needed.is_none_or(|needed| role.includes(needed)) && is_granted(path, rights)
}

/// Whether the rights are those that a section needs.
fn is_granted(section: &str, rights: &OperatorRights) -> bool {
    NEEDED_RIGHTS.iter().all(|(path, right)| *path != section || rights.has(*right))
}

/// Sections for a role with these rights; the one that `path` belongs to is marked.
pub(crate) fn groups(path: &str, role: OperatorRole, rights: &OperatorRights) -> Vec<NavGroup> {
    let is_current = |section: &str| match section {
        "/" => path == "/",
        section => path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    let visible = |sections: &'static [Section]| {
        let allowed = sections.iter().filter(|(_, path, _)| is_open_to(path, role, rights));
        allowed.map(|(title, path, _)| NavItem { title, path, current: is_current(path) }).collect()
    };
    GROUPS.iter().map(|(title, sections)| NavGroup { title, items: visible(sections) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_a_page_is_marked_and_others_are_not() {
        let marked = |path: &str| -> Vec<&'static str> {
            let groups = groups(path, OperatorRole::Owner, &OperatorRights::default());
            groups
                .iter()
                .flat_map(|group| &group.items)
                .filter(|item| item.current)
                .map(|item| item.path)
                .collect()
        };
        assert_eq!(marked("/"), ["/"]);
        assert_eq!(marked("/jobs/job_1"), ["/jobs"]);
        assert_eq!(marked("/jobsx"), [""; 0]);
    }

    #[test]
    fn only_owners_see_the_operators() {
        let has = |role| {
            let groups = groups("/", role, &OperatorRights::default());
            groups.iter().flat_map(|group| &group.items).any(|item| item.path == "/operators")
        };
        assert!(has(OperatorRole::Owner) && !has(OperatorRole::Operator));
    }

    #[test]
    fn only_who_may_open_a_section_may_open_its_path() {
        let none = OperatorRights::default();
        assert!(is_open_to("/jobs", OperatorRole::Support, &none));
        assert!(!is_open_to("/operators", OperatorRole::Operator, &none));
        assert!(is_open_to("/operators", OperatorRole::Owner, &none));
        assert!(!is_open_to(BULK, OperatorRole::Owner, &none));
        assert!(is_open_to(BULK, OperatorRole::Support, &OperatorRight::Bulk.into()));
    }

    #[test]
    fn a_section_with_a_right_is_shown_to_whoever_has_it() {
        let has = |rights: &OperatorRights| {
            let groups = groups("/", OperatorRole::Owner, rights);
            groups.iter().flat_map(|group| &group.items).any(|item| item.path == EXPORTS)
        };
        assert!(has(&OperatorRight::Export.into()) && !has(&OperatorRights::default()));
    }
}
