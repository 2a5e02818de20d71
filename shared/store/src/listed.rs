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

#[cfg(test)]
mod tests {
    use super::*;

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
