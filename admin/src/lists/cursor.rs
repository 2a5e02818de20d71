//! Place in a list, as the address names it.

use chrono::{DateTime, Utc};
use flysk_domain::platform::subscriptions::day_start;
use flysk_store::admin::listing::Keyset;

use super::place::PLACE;
use super::sorting::Sorting;
use crate::http::{Fault, Pairs};
use crate::request::form::query_string;

/// Rows per page.
const PAGE_SIZE: u32 = 50;
/// Maximum of `size`.
const MAX_PAGE_SIZE: u32 = 1_000;

/// Maximum length of an id or a key, in characters: a name of an account has up to 255.
const MAX_KEY_LEN: usize = 300;

/// A side of the page and the id, or the key, at its edge.
type Neighbour = Option<(&'static str, String)>;

/// Position of the page in the list.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The order of the list.
    sorting: Sorting,
    /// Rows after this id, or key.
    after: Option<String>,
    /// Rows before this id, or key.
    before: Option<String>,
    /// Bound of the ids of a day: its end if the newest come first, otherwise its beginning. `None` if the list is not sorted by id.
    day: Option<String>,
    size: u32,
}

impl Cursor {
    /// Reads `after`, `before`, `day` and `size` of a list in this order; `first_id_at` turns a time into an id.
    ///
    /// # Errors
    ///
    /// A refusal that names the parameter.
    pub(crate) fn of(
        query: &Pairs,
        sorting: Sorting,
        first_id_at: fn(DateTime<Utc>) -> String,
    ) -> Result<Self, Fault> {
        let day = query.day("day", "Перейти к дате")?;
        let day = day.filter(|_| sorting.column.is_none());
        let day = if sorting.descending { day.and_then(|day| day.succ_opt()) } else { day };
        let size: Option<u32> = query.parsed("size", "size")?;
        let key = |name: &str| {
            // White space may belong to a name.
            let text = query.raw(name).filter(|text| !text.is_empty());
            let text: Option<String> = text.map(|text| text.chars().take(MAX_KEY_LEN).collect());
            // Ids are ASCII: the database refuses to compare them with other characters.
            let is_place =
                |text: &String| sorting.column.map_or_else(|| text.is_ascii(), |column| column.is_key(text));
            match text {
                Some(text) if !is_place(&text) => {
                    Err(Fault::refused("Такого места в этом порядке нет. Откройте список с начала."))
                }
                text => Ok(text),
            }
        };
        Ok(Self {
            sorting,
            after: key("after")?,
            before: key("before")?,
            day: day.map(|day| first_id_at(day_start(day))),
            size: size.unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE),
        })
    }

    /// The part of the list to read: one row more than the page shows.
    pub(crate) fn keyset(&self) -> Keyset {
        let reversed = self.after.is_none() && self.before.is_some();
        // Backwards from the newest is upwards.
        let sorting = if reversed { self.sorting.reversed() } else { self.sorting };
        let start = sorting.keyset(self.size + 1);
        let edge = self.after.as_ref().or(self.before.as_ref()).or(self.day.as_ref());
        Keyset { from: edge.cloned().unwrap_or(start.from), reversed, ..start }
    }

    /// Cuts the extra row off and returns which neighbouring pages there are.
    pub(crate) fn neighbours(&self, ids: &mut Vec<String>) -> (Neighbour, Neighbour) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let has_more = ids.len() > size;
        let is_backwards = self.after.is_none() && self.before.is_some();
        if has_more && is_backwards {
            ids.remove(0);
        }
        ids.truncate(size);
        let has_previous = if is_backwards { has_more } else { self.after.is_some() || self.day.is_some() };
        let has_next = is_backwards || has_more;
        let first = ids.first().filter(|_| has_previous).map(|id| ("before", id.clone()));
        let last = ids.last().filter(|_| has_next).map(|id| ("after", id.clone()));
        (first, last)
    }

    /// Address of a neighbouring page with the same filter.
    pub(crate) fn link(path: &str, query: &Pairs, side: &str, id: &str) -> String {
        let mut pairs = query.without(&PLACE);
        pairs.push((side.to_owned(), id.to_owned()));
        format!("{path}{}", query_string(&pairs))
    }
}

#[cfg(test)]
mod tests {
    use flysk_store::admin::sorting::SortColumn;

    use super::*;

    const OLDEST_FIRST: Sorting = Sorting { column: None, descending: false };
    const BY_AMOUNT: Sorting = Sorting { column: Some(SortColumn::Amount), descending: true };

    fn cursor_of(query: &str, sorting: Sorting) -> Result<Cursor, Fault> {
        Cursor::of(&Pairs::parse(query.as_bytes()), sorting, |time| format!("x{}", time.timestamp()))
    }

    fn cursor(query: &str) -> Cursor {
        cursor_of(query, Sorting::NEWEST_FIRST).unwrap()
    }

    fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    #[test]
    fn pages_are_read_in_the_direction_that_leads_to_them() {
        for (query, sorting, descending, reversed) in [
            ("", Sorting::NEWEST_FIRST, true, false),
            ("after=x", Sorting::NEWEST_FIRST, true, false),
            ("before=x", Sorting::NEWEST_FIRST, false, true),
            ("", OLDEST_FIRST, false, false),
            ("before=x", OLDEST_FIRST, true, true),
            ("after=5~inv_1", BY_AMOUNT, true, false),
            ("before=5~inv_1", BY_AMOUNT, false, true),
        ] {
            let keyset = cursor_of(query, sorting).unwrap().keyset();
            assert_eq!(
                (keyset.descending, keyset.reversed, keyset.limit),
                (descending, reversed, 51),
                "{query}"
            );
        }
        assert_eq!(cursor("size=100000").keyset().limit, 1_001);
    }

    #[test]
    fn a_day_ends_at_midnight_in_moscow() {
        assert_eq!(cursor("day=2026-11-30").keyset().from, "x1796072400");
        let oldest = cursor_of("day=2026-11-30", OLDEST_FIRST).unwrap();
        assert_eq!(oldest.keyset().from, "x1795986000");
        assert!(cursor_of("day=soon", OLDEST_FIRST).is_err());
        let by_amount = cursor_of("day=2026-11-30", BY_AMOUNT).unwrap().keyset();
        assert_eq!((by_amount.from.as_str(), by_amount.sort), ("", BY_AMOUNT.column), "it has no days");
    }

    #[test]
    fn a_page_of_a_sorted_list_follows_a_value_and_an_id() {
        let from = |query: &str| cursor_of(query, BY_AMOUNT).map(|cursor| cursor.keyset().from).ok();
        assert_eq!(from("after=-5~inv_1").as_deref(), Some("-5~inv_1"));
        let by_name = Sorting { column: Some(SortColumn::Name), descending: false };
        let named = cursor_of("after=+x%20~7", by_name).unwrap().keyset();
        assert_eq!(named.from, " x ~7", "white space belongs to a name");
        for forged in ["after=inv_1", "before=x~inv_1", "after=5~", "after=5~%27"] {
            assert_eq!(from(forged), None, "{forged}");
        }
        assert!(cursor_of("after=%D0%B6", Sorting::NEWEST_FIRST).is_err(), "no id has such a letter");
    }

    #[test]
    fn there_are_links_to_the_pages_that_exist() {
        let mut first = ids(0..51);
        assert_eq!(cursor("").neighbours(&mut first), (None, Some(("after", "49".to_owned()))));
        assert_eq!(first.len(), 50);
        let mut last = ids(0..3);
        assert_eq!(cursor("after=9").neighbours(&mut last), (Some(("before", "0".to_owned())), None));
        let mut back = ids(0..51);
        let around = (Some(("before", "1".to_owned())), Some(("after", "50".to_owned())));
        assert_eq!(cursor("before=99").neighbours(&mut back), around);
        assert_eq!(
            Cursor::link("/jobs", &Pairs::parse(b"state=dead&after=1"), "after", "2"),
            "/jobs?state=dead&after=2"
        );
    }
}
