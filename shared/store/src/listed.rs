//! Value lists in statements.

use sqlx::{Encode, MySql, QueryBuilder, Type};

/// Pushes ` IN (?, ?, …)`; the list must not be empty.
///
/// The last value is repeated up to the next power of two. A connection caches a limited number of prepared statements
/// ([`STATEMENT_CACHE_CAPACITY`](crate::STATEMENT_CACHE_CAPACITY)); one per list length would evict the others.
pub(crate) fn push_in<T>(query: &mut QueryBuilder<MySql>, values: impl IntoIterator<Item = T>)
where
    T: Clone + for<'q> Encode<'q, MySql> + Type<MySql> + 'static,
{
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    query.push(" IN (");
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    query.push(")");
}

/// Maximum number of rows of a statement of [`in_few_lengths`].
const MAX_ROWS: usize = 64;
/// Longer statements have a multiple of this number of rows.
const ROW_STEP: usize = 8;

/// Splits rows into parts of 64, of a multiple of 8, and of less than 8: at most three for 128 rows. So statements with many rows
/// have 15 texts instead of one per number of rows. Unlike a list of [`push_in`], rows cannot be repeated to fill a statement up.
pub(crate) fn in_few_lengths<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = match rest.len() {
            0 => return None,
            length if length < ROW_STEP => length,
            length => (length - length % ROW_STEP).min(MAX_ROWS),
        };
        let (part, others) = rest.split_at(length);
        rest = others;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_parts_of_few_lengths() {
        let rows: Vec<usize> = (0..300).collect();
        let lengths = |count: usize| in_few_lengths(&rows[..count]).map(<[usize]>::len).collect::<Vec<_>>();
        assert!(lengths(0).is_empty());
        assert_eq!(lengths(7), [7]);
        assert_eq!(lengths(45), [40, 5]);
        assert_eq!(lengths(127), [64, 56, 7]);
        assert_eq!(lengths(128), [64, 64]);
        for count in 0..=300 {
            let parts: Vec<usize> = in_few_lengths(&rows[..count]).flatten().copied().collect();
            assert_eq!(parts, rows[..count], "every row once, in order");
        }
        let all: std::collections::BTreeSet<usize> = (0..=300).flat_map(lengths).collect();
        assert_eq!(all.len(), 15);
    }

    #[test]
    fn lists_of_many_lengths_make_few_statements() {
        let text = |length: u64| {
            let mut query = QueryBuilder::new("id");
            push_in(&mut query, 0..length);
            query.sql().as_str().to_owned()
        };
        assert_eq!(text(1), "id IN (?)");
        assert_eq!(text(3), "id IN (?, ?, ?, ?)");
        assert_eq!(text(4), text(3));
        let texts: std::collections::BTreeSet<String> = (1..=500).map(text).collect();
        assert_eq!(texts.len(), 10);
    }
}
