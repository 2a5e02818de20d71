//! Sorting of lists by a column.
//!
//! A row of a sorted list has a key, its value and its id. A page begins behind a key, so that rows lose no neighbours
//! when the row of the key changes or goes. Rows without a value come last in both directions; a statement of their own
//! reads them, because the index has them at its other end in one of both.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlTypeInfo};
use sqlx::{Encode, QueryBuilder, Type};

use super::listing::Keyset;

/// Separates the value of a key from its id, which never contains it.
const SEPARATOR: char = '~';

/// Column by which a list can be sorted, besides the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortColumn {
    /// Sum of an invoice, a payment, a purchase, a package or a transfer.
    Amount,
    /// Code of what is sold or of who sells it, service, or login.
    Code,
    /// Domain of an account.
    Domain,
    /// Last day to pay.
    Due,
    /// Name of an account, an operator, or what is sold or who sells it.
    Name,
    /// When the next step is due.
    NextStep,
    /// When it was paid.
    Paid,
    /// Begin of its validity.
    Start,
    /// End of the current or last period, or of the trial.
    Until,
}

impl SortColumn {
    /// Every column, once.
    pub const ALL: [Self; 9] = [
        Self::Amount,
        Self::Code,
        Self::Domain,
        Self::Due,
        Self::Name,
        Self::NextStep,
        Self::Paid,
        Self::Start,
        Self::Until,
    ];

    /// Code of the column in addresses.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Code => "code",
            Self::Domain => "domain",
            Self::Due => "due",
            Self::Name => "name",
            Self::NextStep => "next",
            Self::Paid => "paid",
            Self::Start => "start",
            Self::Until => "until",
        }
    }

    /// Whether a text is the key of a row of a list that is sorted by this column.
    pub fn is_key(self, text: &str) -> bool {
        self.edge(text).is_some()
    }

    /// Whether rows may have no value.
    const fn is_optional(self) -> bool {
        matches!(self, Self::NextStep | Self::Paid | Self::Until)
    }

    /// The value and the id of a key; `None` if the text is none.
    pub(crate) fn edge(self, key: &str) -> Option<Edge> {
        let (value, id) = key.rsplit_once(SEPARATOR)?;
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let is_absent = value.is_empty() && self.is_optional();
        let value = if is_absent { None } else { Some(self.value(value)?) };
        Some(Edge { value, id: id.to_owned() })
    }

    /// The value that a text stands for, in the notation of the servers.
    fn value(self, text: &str) -> Option<SortValue> {
        match self {
            Self::Amount => parsed(text).map(SortValue::Number),
            Self::Due | Self::Until => {
                parsed::<NaiveDate>(text).filter(|day| is_storable(*day)).map(SortValue::Day)
            }
            Self::NextStep | Self::Paid | Self::Start => {
                let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
                is_storable(time.date()).then(|| SortValue::Time(time.and_utc()))
            }
            // The columns are ASCII, and the servers refuse to compare them with other characters.
            Self::Code | Self::Domain => text.is_ascii().then(|| SortValue::Text(text.to_owned())),
            Self::Name => Some(SortValue::Text(text.to_owned())),
        }
    }
}

/// Whether the servers have the day; sqlx cannot bind others.
fn is_storable(day: NaiveDate) -> bool {
    (1..=9_999).contains(&day.year())
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// The ids of keys, in their order; an id without a value stays as it is.
pub fn ids_of(keys: &[String]) -> Vec<String> {
    let id = |key: &String| key.rsplit_once(SEPARATOR).map_or(key.as_str(), |(_, id)| id).to_owned();
    keys.iter().map(id).collect()
}

/// The key of a row.
pub(crate) fn key_of(value: &str, id: &str) -> String {
    format!("{value}{SEPARATOR}{id}")
}

/// The row that a page follows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edge {
    pub(crate) value: Option<SortValue>,
    pub(crate) id: String,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SortValue {
    Number(i64),
    Day(NaiveDate),
    Time(DateTime<Utc>),
    Text(String),
}

impl Type<MySql> for SortValue {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for SortValue {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        match self {
            Self::Number(number) => <i64 as Encode<MySql>>::encode_by_ref(number, buffer),
            Self::Day(day) => <NaiveDate as Encode<MySql>>::encode_by_ref(day, buffer),
            Self::Time(time) => <DateTime<Utc> as Encode<MySql>>::encode_by_ref(time, buffer),
            Self::Text(text) => <&str as Encode<MySql>>::encode_by_ref(&text.as_str(), buffer),
        }
    }

    fn produces(&self) -> Option<MySqlTypeInfo> {
        Some(match self {
            Self::Number(_) => <i64 as Type<MySql>>::type_info(),
            Self::Day(_) => <NaiveDate as Type<MySql>>::type_info(),
            Self::Time(_) => <DateTime<Utc> as Type<MySql>>::type_info(),
            Self::Text(_) => <str as Type<MySql>>::type_info(),
        })
    }
}

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
    fn keys_are_read_as_the_servers_write_them() {
        let edge = |column: SortColumn, key: &str| column.edge(key).map(|edge| edge.value);
        assert_eq!(edge(SortColumn::Amount, "99000~inv_1"), Some(Some(SortValue::Number(99_000))));
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        assert_eq!(edge(SortColumn::Until, "2026-11-30~sub_1"), Some(Some(SortValue::Day(day))));
        let time = day.and_hms_micro_opt(1, 2, 3, 450_000).unwrap().and_utc();
        let key = "2026-11-30 01:02:03.450000~inv_1";
        assert_eq!(edge(SortColumn::Paid, key), Some(Some(SortValue::Time(time))));
        assert_eq!(edge(SortColumn::Start, key), Some(Some(SortValue::Time(time))));
        assert_eq!(edge(SortColumn::Paid, "~inv_1"), Some(None));
        let service = SortValue::Text("my-widget.recognition".to_owned());
        assert_eq!(edge(SortColumn::Code, "my-widget.recognition~2026_66_1"), Some(Some(service)));
        let name = SortValue::Text("~ Ёлка ~".to_owned());
        assert_eq!(edge(SortColumn::Name, &key_of("~ Ёлка ~", "7")), Some(Some(name)));
        assert_eq!(edge(SortColumn::Name, "~7"), Some(Some(SortValue::Text(String::new()))));
        for (column, forged) in [
            (SortColumn::Amount, "inv_1"),
            (SortColumn::Amount, "~inv_1"),
            (SortColumn::Amount, "1.5~inv_1"),
            (SortColumn::Amount, "5~"),
            (SortColumn::Amount, "5~ж"),
            (SortColumn::Until, "soon~sub_1"),
            (SortColumn::Until, "+99999-01-01~sub_1"),
            (SortColumn::Paid, "+99999-01-01 00:00:00~inv_1"),
            (SortColumn::Domain, "ёж~7"),
            (SortColumn::Code, "ёж~vnd_7"),
            (SortColumn::Start, "~vnd_7"),
        ] {
            assert!(!column.is_key(forged), "{forged}");
        }
        let keys = ["5~inv_1", "~sub_2", "~ x ~7", "job_3"].map(str::to_owned);
        assert_eq!(ids_of(&keys), ["inv_1", "sub_2", "7", "job_3"]);
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

    #[test]
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<&str> =
            SortColumn::ALL.into_iter().map(SortColumn::code).collect();
        assert_eq!(codes.len(), SortColumn::ALL.len());
    }
}
