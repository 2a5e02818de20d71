//! Sorting of lists by a column.
//!
//! A row of a sorted list has a key, its value and its id. A page begins behind a key, so that rows lose no neighbours
//! when the row of the key changes or goes. Rows without a value come last in both directions; a statement of their own
//! reads them, because the index has them at its other end in one of both.

use sqlx::QueryBuilder;
use sqlx::mysql::MySql;

use super::listing::Keyset;
pub(crate) use super::sort_column::{Edge, SortValue, key_of};
pub use super::sort_column::{SortColumn, ids_of};

/// Rows that one statement reads: those with a value, or those without.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    has_values: bool,
    /// The row that they follow; `None` for the first ones.
    edge: Option<Edge>,
    descending: bool,
    bound: Option<String>,
    limit: u32,
}

/// A page of a sorted list while it is read.
#[derive(Debug)]
pub(crate) struct SortedPage<'k> {
    keyset: &'k Keyset,
    parts: std::vec::IntoIter<Part>,
    keys: Vec<String>,
}

impl<'k> SortedPage<'k> {
    /// A page of a list that is sorted by a column.
    pub(crate) fn of(column: SortColumn, keyset: &'k Keyset) -> Self {
        let whole = |has_values| Part {
            has_values,
            edge: None,
            descending: keyset.descending,
            bound: keyset.bound.clone(),
            limit: keyset.limit,
        };
        let mut parts = vec![whole(true)];
        if column.is_optional() {
            parts.push(whole(false));
        }
        if keyset.reversed {
            parts.reverse();
        }
        if let Some(edge) = column.edge(&keyset.from) {
            let place = parts.iter().position(|part| part.has_values == edge.value.is_some());
            parts.drain(..place.unwrap_or_default());
            if let Some(first) = parts.first_mut() {
                first.edge = Some(edge);
            }
        }
        Self { keyset, parts: parts.into_iter(), keys: Vec::new() }
    }

    /// What the next statement reads; `None` once the page is complete.
    pub(crate) fn next_part(&mut self) -> Option<Part> {
        let read = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let left = self.keyset.limit.saturating_sub(read);
        if left == 0 {
            return None;
        }
        self.parts.next().map(|part| Part { limit: left, ..part })
    }

    /// Adds the keys that a statement has read.
    pub(crate) fn take(&mut self, keys: Vec<String>) {
        self.keys.extend(keys);
    }

    /// The keys of the page in the order in which it shows its rows.
    pub(crate) fn into_keys(self) -> Vec<String> {
        self.keyset.in_order(self.keys)
    }
}

/// Pushes the beginning of a statement, after `SELECT `: the list goes on with its column `AS sort_value`, its table,
/// the index that has the rows in this order, and its filter.
///
/// The servers merge the derived table into the statement, so that they read the index and stop at the limit.
pub(crate) fn push_sorted_selection(query: &mut QueryBuilder<MySql>, part: &Part) {
    if part.has_values {
        query.push("CONCAT(sort_value, '~', id) FROM (SELECT id, ");
    } else {
        query.push("CONCAT('~', id) FROM (SELECT id, ");
    }
}

/// Pushes the end of a statement that begins with [`push_sorted_selection`] and has a condition.
///
/// A comparison of both columns at once would read the index from its beginning, and one of the value alone all rows
/// with the value of the edge, of which there may be many.
pub(crate) fn push_sorted_page(query: &mut QueryBuilder<MySql>, part: &Part) {
    if let Some(bound) = &part.bound {
        // With a bare id MySQL reads a part of the index for each of its values (skip scan), and sorts what it has
        // read.
        query.push(" AND CONCAT(id) < ").push_bind(bound.clone());
    }
    query.push(") listed WHERE ");
    let edge = part.edge.as_ref().map(|edge| (edge.value.as_ref(), edge.id.clone()));
    match (part.has_values, edge, part.descending) {
        (true, Some((Some(value), id)), false) => query
            .push("(sort_value > ")
            .push_bind(value.clone())
            .push(" OR (sort_value = ")
            .push_bind(value.clone())
            .push(" AND id > ")
            .push_bind(id)
            .push("))"),
        (true, Some((Some(value), id)), true) => query
            .push("(sort_value < ")
            .push_bind(value.clone())
            .push(" OR (sort_value = ")
            .push_bind(value.clone())
            .push(" AND id < ")
            .push_bind(id)
            .push("))"),
        (true, _, _) => query.push("sort_value IS NOT NULL"),
        (false, Some((_, id)), false) => query.push("sort_value IS NULL AND id > ").push_bind(id),
        (false, Some((_, id)), true) => query.push("sort_value IS NULL AND id < ").push_bind(id),
        (false, None, _) => query.push("sort_value IS NULL"),
    };
    match (part.has_values, part.descending) {
        (true, false) => query.push(" ORDER BY sort_value, id LIMIT "),
        (true, true) => query.push(" ORDER BY sort_value DESC, id DESC LIMIT "),
        (false, false) => query.push(" ORDER BY id LIMIT "),
        (false, true) => query.push(" ORDER BY id DESC LIMIT "),
    };
    query.push_bind(part.limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each statement of a page: whether it reads rows with values, and whether it begins behind the edge.
    fn parts(column: SortColumn, keyset: &Keyset) -> Vec<(bool, bool)> {
        SortedPage::of(column, keyset).parts.map(|part| (part.has_values, part.edge.is_some())).collect()
    }

    #[test]
    fn rows_without_a_value_come_last_whatever_the_direction() {
        let page = |descending, reversed, from: &str| Keyset {
            from: from.to_owned(),
            reversed,
            ..Keyset::sorted(SortColumn::Until, descending, 9)
        };
        for descending in [false, true] {
            let column = SortColumn::Until;
            assert_eq!(parts(column, &page(descending, false, "")), [(true, false), (false, false)]);
            let valued = "2026-11-30~sub_1";
            assert_eq!(parts(column, &page(descending, false, valued)), [(true, true), (false, false)]);
            assert_eq!(parts(column, &page(descending, true, valued)), [(true, true)]);
            assert_eq!(parts(column, &page(descending, false, "~sub_1")), [(false, true)]);
            assert_eq!(parts(column, &page(descending, true, "~sub_1")), [(false, true), (true, false)]);
            let amount = page(descending, false, "5~inv_1");
            assert_eq!(parts(SortColumn::Amount, &amount), [(true, true)]);
        }
    }

    #[test]
    fn a_full_page_needs_no_further_statement() {
        let keyset = Keyset::sorted(SortColumn::Until, false, 2);
        let mut page = SortedPage::of(SortColumn::Until, &keyset);
        assert_eq!(page.next_part().map(|part| part.limit), Some(2));
        page.take(vec!["2026-11-30~sub_1".to_owned()]);
        assert_eq!(page.next_part().map(|part| part.limit), Some(1));
        page.take(vec!["~sub_2".to_owned()]);
        assert_eq!(page.next_part(), None);
        assert_eq!(page.into_keys(), ["2026-11-30~sub_1", "~sub_2"]);
    }
}
