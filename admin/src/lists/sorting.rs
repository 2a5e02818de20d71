//! The order of a list: by id, which is the time of creation, or by a column with an index.

use flysk_store::admin::listing::Keyset;
use flysk_store::admin::sorting::SortColumn;

use super::List;
use super::place::PLACE;
use crate::http::{Fault, Pairs};
use crate::request::form::query_string;
use crate::view::{Direction, Heading, SortLink};

/// Parameter with the code of the order; `-` before it turns the order round.
pub(super) const SORT_PARAMETER: &str = "sort";
/// Parameter of older addresses and saved views: `old` begins with the oldest rows.
pub(super) const ORDER_PARAMETER: &str = "order";
/// Value of [`ORDER_PARAMETER`].
const OLDEST_FIRST: &str = "old";
/// Code of the order by id.
const BY_ID: &str = "id";

/// A column of the table by which its list can be sorted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    /// The column of the database.
    pub(crate) column: SortColumn,
    /// Number of the column of the table, counted from 0.
    pub(crate) position: usize,
    /// Whether the heading sorts in descending order first: large sums before small ones.
    pub(crate) largest_first: bool,
}

impl Sort {
    /// Sorts in descending order first.
    pub(crate) const fn largest_first(column: SortColumn, position: usize) -> Self {
        Self { column, position, largest_first: true }
    }

    /// Sorts in ascending order first.
    pub(crate) const fn smallest_first(column: SortColumn, position: usize) -> Self {
        Self { column, position, largest_first: false }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sorting {
    /// Column by which the rows are sorted; `None` for the id.
    pub(crate) column: Option<SortColumn>,
    /// Whether large values come first: the newest rows, if the list is sorted by id.
    pub(crate) descending: bool,
}

/// An order that can be chosen.
#[derive(Debug)]
pub(crate) struct SortChoice {
    /// Value of [`SORT_PARAMETER`].
    pub(crate) value: String,
    /// Name, in Russian.
    pub(crate) label: String,
    /// Whether the list has this order.
    pub(crate) chosen: bool,
}

impl Sorting {
    /// The newest rows first.
    pub(super) const NEWEST_FIRST: Self = Self { column: None, descending: true };

    /// The order that the address of a list names.
    ///
    /// # Errors
    ///
    /// A refusal if the list has no such order.
    pub(super) fn wanted<L: List>(query: &Pairs) -> Result<Option<Self>, Fault> {
        let Some(text) = query.get(SORT_PARAMETER) else {
            let is_old = query.get(ORDER_PARAMETER) == Some(OLDEST_FIRST);
            return Ok(is_old.then_some(Self { column: None, descending: false }));
        };
        let (code, descending) = text.strip_prefix('-').map_or((text, false), |code| (code, true));
        if code == BY_ID {
            return Ok(Some(Self { column: None, descending }));
        }
        let sort = L::SORTS.iter().find(|sort| sort.column.code() == code);
        let unknown = || {
            Fault::refused(
                "Такого порядка у этого списка нет. Откройте список заново и нажмите на заголовок столбца.",
            )
        };
        let sort = sort.ok_or_else(unknown)?;
        Ok(Some(Self { column: Some(sort.column), descending }))
    }

    /// The order of a list with this filter: what the address wants if an index serves it, otherwise that of the
    /// filter.
    ///
    /// # Errors
    ///
    /// A refusal if the list has no such order.
    pub(super) fn of<L: List>(query: &Pairs, filter: &L::Filter) -> Result<Self, Fault> {
        let wanted = Self::wanted::<L>(query)?;
        let implied = L::implied_sort(filter);
        Ok(match (wanted, implied) {
            (Some(wanted), _) if wanted.is_served::<L>(filter) => wanted,
            // With older addresses `old` turned the implied order round, too.
            (wanted, Some(column)) => {
                let is_by_id = wanted.is_some_and(|wanted| wanted.column.is_none());
                Self { column: Some(column), descending: is_by_id && wanted != Some(Self::NEWEST_FIRST) }
            }
            (_, None) => Self::NEWEST_FIRST,
        })
    }

    fn is_served<L: List>(self, filter: &L::Filter) -> bool {
        match self.column {
            Some(column) => L::can_sort_by(filter, column),
            None => L::implied_sort(filter).is_none(),
        }
    }

    /// The part of the list at the beginning of this order, at most `limit` rows.
    pub(super) fn keyset(self, limit: u32) -> Keyset {
        match (self.column, self.descending) {
            (Some(column), descending) => Keyset::sorted(column, descending, limit),
            (None, true) => Keyset::newest(limit),
            (None, false) => Keyset::oldest(limit),
        }
    }

    /// The opposite order.
    pub(super) fn reversed(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// Value of [`SORT_PARAMETER`]; empty for the order of an address without it.
    fn value(self) -> String {
        let code = self.column.map_or(BY_ID, SortColumn::code);
        match (self.column, self.descending) {
            (None, true) => String::new(),
            (_, true) => format!("-{code}"),
            (_, false) => code.to_owned(),
        }
    }

    /// Address of the first page of the list with this order.
    fn link<L: List>(self, query: &Pairs) -> String {
        let left_out = [PLACE.as_slice(), &[SORT_PARAMETER]].concat();
        let mut pairs = query.without(&left_out);
        // A filter may have the same name.
        pairs.retain(|(name, value)| name != ORDER_PARAMETER || value != OLDEST_FIRST);
        let value = self.value();
        if !value.is_empty() {
            pairs.push((SORT_PARAMETER.to_owned(), value));
        }
        format!("{}{}", L::PATH, query_string(&pairs))
    }
}

/// What the page says if its list has another order than the address wants, or ignores the day.
pub(super) fn notice<L: List>(query: &Pairs, sorting: Sorting) -> Option<String> {
    let wanted = Sorting::wanted::<L>(query).ok().flatten().and_then(|wanted| wanted.column);
    if let Some(column) = wanted.filter(|wanted| sorting.column != Some(*wanted)) {
        let sort = L::SORTS.iter().find(|sort| sort.column == column);
        let title = sort.and_then(|sort| L::HEAD.get(sort.position)).copied().unwrap_or_default();
        return Some(format!(
            "С этим фильтром список нельзя упорядочить по столбцу «{title}»: база данных прочитала бы слишком много строк. \
             Уберите часть фильтра."
        ));
    }
    let is_ignored = L::DATED && sorting.column.is_some() && query.get("day").is_some();
    is_ignored
        .then(|| "К дате можно перейти только в порядке «сначала новые» или «сначала старые».".to_owned())
}

/// The orders of a list.
pub(super) fn choices<L: List>(sorting: Sorting) -> Vec<SortChoice> {
    let choice = |column, descending, label| {
        let choice = Sorting { column, descending };
        SortChoice { value: choice.value(), label, chosen: choice == sorting }
    };
    let mut choices = vec![
        choice(None, true, "сначала новые".to_owned()),
        choice(None, false, "сначала старые".to_owned()),
    ];
    for sort in L::SORTS {
        let title = L::HEAD.get(sort.position).copied().unwrap_or_default();
        for descending in [sort.largest_first, !sort.largest_first] {
            let arrow =
                if descending { "по убыванию ↓" } else { "по возрастанию ↑" };
            choices.push(choice(Some(sort.column), descending, format!("{title}: {arrow}")));
        }
    }
    choices
}

/// The headings of all columns; those of the orders that the filter allows are links.
pub(super) fn headings<L: List>(query: &Pairs, filter: &L::Filter, sorting: Sorting) -> Vec<Heading> {
    let heading = |(position, title): (usize, &&'static str)| {
        let title = *title;
        let sort = L::SORTS.iter().find(|sort| sort.position == position);
        let (column, descending) = match sort {
            Some(sort) => (Some(sort.column), sort.largest_first),
            None if position == L::ID_POSITION => (None, true),
            None => return Heading::plain(title),
        };
        let first = Sorting { column, descending };
        if !first.is_served::<L>(filter) {
            return Heading::plain(title);
        }
        let is_current = sorting.column == column;
        let next = if is_current { sorting.reversed() } else { first };
        let direction = if sorting.descending { Direction::Descending } else { Direction::Ascending };
        let link = SortLink { href: next.link::<L>(query), direction: is_current.then_some(direction) };
        Heading { title, sort: Some(link) }
    };
    L::HEAD.iter().enumerate().map(heading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::accounts::Accounts;
    use crate::screens::bank::Notifications;
    use crate::screens::invoices::Invoices;

    fn sorting<L: List>(query: &str) -> Result<Sorting, Fault> {
        let query = Pairs::parse(query.as_bytes());
        Sorting::of::<L>(&query, &L::filter(&query)?)
    }

    fn by(column: SortColumn, descending: bool) -> Sorting {
        Sorting { column: Some(column), descending }
    }

    fn notice_of<L: List>(query: &str) -> Option<String> {
        notice::<L>(&Pairs::parse(query.as_bytes()), sorting::<L>(query).unwrap())
    }

    #[test]
    fn the_address_names_the_order() {
        let oldest_first = Sorting { column: None, descending: false };
        for (query, wanted) in [
            ("", Sorting::NEWEST_FIRST),
            ("sort=-id", Sorting::NEWEST_FIRST),
            ("sort=id", oldest_first),
            ("order=old", oldest_first),
            ("sort=amount", by(SortColumn::Amount, false)),
            ("sort=-amount&state=open", by(SortColumn::Amount, true)),
            // No index has the renewals in the order of their sums.
            ("sort=-amount&kind=renewal", Sorting::NEWEST_FIRST),
        ] {
            assert_eq!(sorting::<Invoices>(query).unwrap(), wanted, "{query}");
        }
        for unknown in ["sort=colour", "sort=--amount", "sort=balance", "sort=-"] {
            assert!(matches!(sorting::<Invoices>(unknown), Err(Fault::Refused(_))), "{unknown}");
        }
    }

    #[test]
    fn accounts_that_begin_with_a_text_are_in_alphabetical_order() {
        for (query, wanted) in [
            ("host=a", by(SortColumn::Domain, false)),
            ("host=a&sort=id", by(SortColumn::Domain, true)),
            ("host=a&order=old", by(SortColumn::Domain, true)),
            ("host=a&sort=-domain", by(SortColumn::Domain, true)),
            ("host=a&sort=-name", by(SortColumn::Domain, false)),
            ("name=a", by(SortColumn::Name, false)),
            ("sort=-name", by(SortColumn::Name, true)),
            ("", Sorting::NEWEST_FIRST),
        ] {
            assert_eq!(sorting::<Accounts>(query).unwrap(), wanted, "{query}");
        }
    }

    #[test]
    fn the_page_says_why_it_has_another_order() {
        assert!(notice_of::<Invoices>("sort=amount&install=").is_none());
        let text = notice_of::<Invoices>("sort=amount&kind=renewal").unwrap();
        assert!(text.contains("«Сумма»"), "{text}");
        assert!(notice_of::<Invoices>("sort=amount&day=2026-11-30").unwrap().contains("К дате"));
        assert!(notice_of::<Invoices>("day=2026-11-30").is_none());
    }

    fn link_of<L: List>(query: &str, title: &str) -> Option<(String, Option<Direction>)> {
        let (pairs, sorting) = (Pairs::parse(query.as_bytes()), sorting::<L>(query).unwrap());
        let filter = L::filter(&pairs).unwrap();
        let all = headings::<L>(&pairs, &filter, sorting);
        let found = all.into_iter().find(|heading| heading.title == title).unwrap();
        found.sort.map(|sort| (sort.href, sort.direction))
    }

    #[test]
    fn headings_lead_to_the_orders_that_the_filter_allows() {
        let link = link_of::<Invoices>;
        let leads = |href: &str, direction| Some((format!("/invoices{href}"), direction));
        let (up, down) = (Some(Direction::Ascending), Some(Direction::Descending));
        assert_eq!(link("", "Выставлен"), leads("?sort=id", down));
        assert_eq!(link("order=old", "Выставлен"), leads("", up));
        assert_eq!(link("after=inv_1&size=9", "Сумма"), leads("?size=9&sort=-amount", None));
        assert_eq!(link("sort=-amount&state=open", "Сумма"), leads("?state=open&sort=amount", down));
        assert_eq!(link("sort=amount", "Сумма"), leads("?sort=-amount", up));
        assert_eq!(link("sort=amount", "Выставлен"), leads("", None));
        assert_eq!(link("kind=renewal", "Сумма"), None);
        assert_eq!(link("", "Назначение"), None);
        // The filter by an order at the bank stays.
        let (href, _) = link_of::<Notifications>("order=ipm_1", "Получено").unwrap();
        assert_eq!(href, "/notifications?order=ipm_1&sort=id");
    }

    #[test]
    fn every_order_can_be_chosen_and_one_is() {
        let choices = choices::<Invoices>(by(SortColumn::Amount, true));
        let values: Vec<&str> = choices.iter().map(|choice| choice.value.as_str()).collect();
        assert_eq!(values, ["", "id", "-amount", "amount", "-paid", "paid"]);
        let chosen: Vec<&str> =
            choices.iter().filter(|choice| choice.chosen).map(|choice| choice.value.as_str()).collect();
        assert_eq!(chosen, ["-amount"]);
    }
}
