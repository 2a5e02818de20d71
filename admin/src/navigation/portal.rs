//! Sections of the portal.

use super::{NavGroup, NavItem};
use crate::area::PORTAL;

/// Title and path of a section.
type Section = (&'static str, &'static str);

/// Groups of sections, in their order.
const GROUPS: [(&str, &[Section]); 3] = [
    (
        "Интеграция",
        &[("Виджеты", PORTAL), ("Доставки", "/portal/deliveries"), ("Вызовы API", "/portal/api-calls")],
    ),
    (
        "Продажи",
        &[
            ("Показатели", "/portal/usage"),
            ("Тарифы", "/portal/plans"),
            ("Пакеты", "/portal/packages"),
            ("Цены", "/portal/prices"),
        ],
    ),
    ("Доступ", &[("Профиль", "/portal/me")]),
];

/// All sections; the one that `path` belongs to is marked.
pub(crate) fn groups(path: &str) -> Vec<NavGroup> {
    let is_below = |section: &str| {
        path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_current = |section: &str| match section {
        PORTAL => path == PORTAL || is_below("/portal/widgets"),
        "/portal/deliveries" => is_below(section) || is_below("/portal/events"),
        section => is_below(section),
    };
    let items = |sections: &'static [Section]| {
        sections.iter().map(|(title, path)| NavItem { title, path, current: is_current(path) }).collect()
    };
    GROUPS.iter().map(|(title, sections)| NavGroup { title, items: items(sections) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_a_page_is_marked_and_others_are_not() {
        let marked = |path: &str| -> Vec<&'static str> {
            let groups = groups(path);
            let items = groups.iter().flat_map(|group| &group.items);
            items.filter(|item| item.current).map(|item| item.path).collect()
        };
        assert_eq!(marked("/portal"), [PORTAL]);
        assert_eq!(marked("/portal/widgets/wgt_1"), [PORTAL]);
        assert_eq!(marked("/portal/events/evt_1"), ["/portal/deliveries"]);
        assert_eq!(marked("/portal/prices"), ["/portal/prices"]);
    }
}
