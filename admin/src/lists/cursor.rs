//! Place in a list, as the address names it.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::platform::subscriptions::day_start;
use flysk_store::admin::listing::Keyset;

use super::count;
use crate::http::form::query_string;
use crate::http::{Fault, Pairs};

/// Rows per page.
const PAGE_SIZE: u32 = 50;
/// Maximum of `size`.
const MAX_PAGE_SIZE: u32 = 1_000;

/// Parameters of the address that are a place in the list, and how far it is counted there: no part of its filter.
pub(crate) const PLACE: [&str; 4] = ["after", "before", "day", count::PARAMETER];

/// A side of the page and the id at its edge.
type Neighbour = Option<(&'static str, String)>;

/// Position of the page in the list.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Whether the list begins with the oldest rows.
    pub(crate) oldest_first: bool,
    /// Rows after this id.
    after: Option<String>,
    /// Rows before this id.
    before: Option<String>,
    /// Bound of the ids of a day: its end if the newest come first, otherwise its beginning.
    day: Option<String>,
    size: u32,
}

impl Cursor {
    /// Reads `order`, `after`, `before`, `day` and `size`; `first_id_at` turns a time into an id.
    ///
    /// # Errors
    ///
    /// A refusal that names the parameter.
    pub(crate) fn of(query: &Pairs, first_id_at: fn(DateTime<Utc>) -> String) -> Result<Self, Fault> {
        let oldest_first = query.get("order") == Some("old");
        let day: Option<NaiveDate> = query.parsed("day", "Перейти к дате")?;
        let day = if oldest_first { day } else { day.and_then(|day| day.succ_opt()) };
        let size: Option<u32> = query.parsed("size", "size")?;
        let id = |name: &str| query.get(name).map(|id| id.chars().take(40).collect::<String>());
        Ok(Self {
            oldest_first,
            after: id("after"),
            before: id("before"),
            day: day.map(|day| first_id_at(day_start(day))),
            size: size.unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE),
        })
    }

    /// The part of the list to read: one row more than the page shows.
    pub(crate) fn keyset(&self) -> Keyset {
        let reversed = self.after.is_none() && self.before.is_some();
        // Backwards from the newest is upwards.
        let descending = self.oldest_first == reversed;
        let limit = self.size + 1;
        let start = if descending { Keyset::newest(limit) } else { Keyset::oldest(limit) };
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
    use super::*;

    fn cursor(query: &str) -> Cursor {
        Cursor::of(&Pairs::parse(query.as_bytes()), |time| format!("x{}", time.timestamp())).unwrap()
    }

    fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    }

    #[test]
    fn pages_are_read_in_the_direction_that_leads_to_them() {
        for (query, descending, reversed) in [
            ("", true, false),
            ("after=x", true, false),
            ("before=x", false, true),
            ("order=old", false, false),
            ("order=old&before=x", true, true),
        ] {
            let keyset = cursor(query).keyset();
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
        assert_eq!(cursor("day=2026-11-30&order=old").keyset().from, "x1795986000");
        assert!(Cursor::of(&Pairs::parse(b"day=soon"), |_| String::new()).is_err());
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
