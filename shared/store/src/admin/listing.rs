//! Pages of lists.
//!
//! A list has a filter and one function `ids` that applies it. Page, count, export and bulk act all call that function, so
//! that they cannot select different rows. A page reads its rows by their ids afterwards. The server counts.

use std::collections::HashMap;

use sqlx::{MySql, QueryBuilder};

use super::sort_column::SortColumn;

/// Sorts after every id.
const AFTER_ALL: &str = "~";

/// Part of a list: rows on one side of an id, at most `limit` of them. Ids sort by the time of their creation.
#[derive(Debug, Clone)]
pub struct Keyset {
    /// Column by which the rows are sorted, and `ids` returns keys (`sorting`); `None` for the id.
    pub sort: Option<SortColumn>,
    /// The id, or the key, that the rows follow in the direction of reading.
    pub from: String,
    /// The ids of a sorted list are smaller, if there is a bound: it has the rows of a time.
    pub bound: Option<String>,
    /// Whether the statement reads from larger to smaller ids, or values.
    pub descending: bool,
    /// Whether the rows are shown in the opposite order of reading, because the page precedes the current one.
    pub reversed: bool,
    /// Maximum number of rows.
    pub limit: u32,
    /// Whether the statement returns the number of rows instead of their ids: at most `limit`, on every page.
    pub counts: bool,
}

impl Keyset {
    /// The newest rows.
    pub fn newest(limit: u32) -> Self {
        Self { from: AFTER_ALL.to_owned(), ..Self::from_beginning(None, true, limit) }
    }

    /// The oldest rows.
    pub fn oldest(limit: u32) -> Self {
        Self::from_beginning(None, false, limit)
    }

    /// The first rows of a list that is sorted by a column.
    pub fn sorted(column: SortColumn, descending: bool, limit: u32) -> Self {
        Self::from_beginning(Some(column), descending, limit)
    }

    fn from_beginning(sort: Option<SortColumn>, descending: bool, limit: u32) -> Self {
        Self { sort, from: String::new(), bound: None, descending, reversed: false, limit, counts: false }
    }

    /// The number of rows of all pages, up to a limit, since a whole count of a large table takes seconds; [`number_of_rows`]
    /// reads it.
    ///
    /// The server counts, in any order of the rows: sending thousands of ids takes longer than the rest of a page.
    pub fn counting(limit: u32) -> Self {
        Self { counts: true, ..Self::newest(limit) }
    }

    /// Rows in the order in which the page shows them.
    pub(crate) fn in_order<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.reversed {
            rows.reverse();
        }
        rows
    }
}

/// Pushes what a list's `ids` selects from the rows of its table: their ids, or their number.
pub(crate) fn push_selection(query: &mut QueryBuilder<MySql>, keyset: &Keyset) {
    if keyset.counts {
        query.push("CAST(COUNT(*) AS CHAR) FROM (SELECT 1");
    } else {
        query.push("id");
    }
}

/// Pushes the end of a statement that begins with [`push_selection`] and has a condition: the rows of the page, by their ids.
pub(crate) fn push_page(query: &mut QueryBuilder<MySql>, keyset: &Keyset) {
    match (keyset.counts, keyset.descending) {
        (true, _) => query.push(" LIMIT ").push_bind(keyset.limit).push(") counted"),
        (false, true) => query
            .push(" AND id < ")
            .push_bind(keyset.from.clone())
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(keyset.limit),
        (false, false) => query
            .push(" AND id > ")
            .push_bind(keyset.from.clone())
            .push(" ORDER BY id LIMIT ")
            .push_bind(keyset.limit),
    };
}

/// The number that a list's `ids` returned for [`Keyset::counting`].
pub fn number_of_rows(counted: &[String]) -> u32 {
    counted.first().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Puts rows into the order of their ids.
pub(crate) fn arrange<T>(rows: Vec<T>, ids: &[String], id_of: impl Fn(&T) -> String) -> Vec<T> {
    let mut by_id: HashMap<String, T> = rows.into_iter().map(|row| (id_of(&row), row)).collect();
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_the_order_of_their_ids() {
        let ids = ["c", "a", "gone"].map(str::to_owned);
        assert_eq!(arrange(vec!["a", "c"], &ids, |row| (*row).to_owned()), ["c", "a"]);
    }

    #[test]
    fn a_count_is_the_only_element() {
        assert!(Keyset::counting(11).counts && Keyset::counting(11).limit == 11);
        assert_eq!(number_of_rows(&["10001".to_owned()]), 10_001);
        assert_eq!(number_of_rows(&[]), 0);
    }

    #[test]
    fn a_preceding_page_is_read_backwards() {
        let keyset = Keyset { reversed: true, ..Keyset::oldest(2) };
        assert_eq!(keyset.in_order(vec![1, 2]), [2, 1]);
        assert!(Keyset::newest(1).from.as_str() > "job_01ZZZZZZZZZZZZZZZZZZZZZZZZ");
    }
}
