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

/// Maximum number of rows of a statement.
pub(crate) const MAX_ROWS: usize = 64;
/// Statements of few lengths with at least as many rows have a multiple of this number.
const ROW_STEP: usize = 8;
/// [`Lengths::Many`] never splits as many rows or fewer.
const MAX_EXACT_ROWS: usize = 32;

/// Splits rows into parts of 64, of a multiple of 8, and of less than 8: at most three for 128 rows. So statements with many rows
/// have 15 texts instead of one per number of rows. Unlike a list of [`push_in`], inserted rows cannot be repeated to fill a
/// statement up; those of an update can ([`filled_up`]).
pub(crate) fn in_few_lengths<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    Lengths::Few.split(rows)
}

/// In how many lengths a connection may have the same statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// 15, as [`in_few_lengths`]: for connections whose cache holds the statements of many tables.
    Few,
    /// 48, every one up to 32 and the even ones up to 64: up to 32 rows need one statement. For connections with a larger cache.
    Many,
}

impl Lengths {
    /// Splits rows into the parts that a statement each writes, in their order.
    pub(crate) fn split<T>(self, rows: &[T]) -> impl Iterator<Item = &[T]> {
        let (exact, step) = match self {
            Self::Few => (ROW_STEP - 1, ROW_STEP),
            Self::Many => (MAX_EXACT_ROWS, 2),
        };
        let mut rest = rows;
        std::iter::from_fn(move || {
            let length = match rest.len() {
                0 => return None,
                length if length <= exact => length,
                length => (length - length % step).min(MAX_ROWS),
            };
            let (part, others) = rest.split_at(length);
            rest = others;
            Some(part)
        })
    }
}

/// The rows of an update, at most [`MAX_ROWS`], with the last one repeated up to a length of [`in_few_lengths`]: one statement
/// instead of several parts. In a `CASE` the first row of an id counts, and a row of the table is found once, however often its id
/// is listed.
pub(crate) fn filled_up<T: Copy>(rows: &[T]) -> Vec<T> {
    let mut filled = rows.to_vec();
    if let Some(last) = rows.last()
        && rows.len() >= ROW_STEP
    {
        filled.resize(rows.len().next_multiple_of(ROW_STEP), *last);
    }
    filled
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
    fn many_lengths_need_one_statement_for_few_rows() {
        let rows: Vec<usize> = (0..300).collect();
        let lengths =
            |count: usize| Lengths::Many.split(&rows[..count]).map(<[usize]>::len).collect::<Vec<_>>();
        assert!(lengths(0).is_empty());
        for count in (1..=32).chain((34..=64).step_by(2)) {
            assert_eq!(lengths(count), [count]);
        }
        assert_eq!(lengths(33), [32, 1]);
        assert_eq!(lengths(63), [62, 1]);
        assert_eq!(lengths(65), [64, 1]);
        assert_eq!(lengths(127), [64, 62, 1]);
        assert_eq!(lengths(128), [64, 64]);
        for count in 0..=300 {
            let parts: Vec<usize> = Lengths::Many.split(&rows[..count]).flatten().copied().collect();
            assert_eq!(parts, rows[..count], "every row once, in order");
        }
        let all: std::collections::BTreeSet<usize> = (0..=300).flat_map(lengths).collect();
        assert_eq!(all.len(), 48);
    }

    #[test]
    fn updates_are_filled_up_to_the_same_few_lengths() {
        let rows: Vec<usize> = (0..MAX_ROWS).collect();
        let few: std::collections::BTreeSet<usize> =
            (1..=MAX_ROWS).flat_map(|count| in_few_lengths(&rows[..count]).map(<[usize]>::len)).collect();
        assert!(filled_up::<usize>(&[]).is_empty());
        for (count, length) in [(1, 1), (7, 7), (8, 8), (9, 16), (16, 16), (17, 24), (33, 40), (64, 64)] {
            assert_eq!(filled_up(&rows[..count]).len(), length);
        }
        for count in 1..=MAX_ROWS {
            let filled = filled_up(&rows[..count]);
            assert!(few.contains(&filled.len()), "{count}");
            assert_eq!(filled[..count], rows[..count]);
            assert!(filled[count..].iter().all(|row| *row == count - 1), "only the last one is repeated");
        }
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
