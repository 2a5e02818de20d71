//! Columns by which lists can be sorted, their values, and the keys of rows.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Utc};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlTypeInfo};
use sqlx::{Encode, Type};

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
    pub(super) const fn is_optional(self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<&str> =
            SortColumn::ALL.into_iter().map(SortColumn::code).collect();
        assert_eq!(codes.len(), SortColumn::ALL.len());
    }
}
