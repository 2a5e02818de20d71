//! The billing calendar: days of Moscow time, and periods that keep their anchor day.

use std::fmt;

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::money::OutOfRange;

/// Time zone of all billing days.
pub const ZONE: &str = "Europe/Moscow";
/// Moscow's offset from UTC. It has no daylight saving time (law 248-FZ, since 26 October 2014).
pub const MOSCOW_OFFSET: TimeDelta = TimeDelta::hours(3);

/// Date in Moscow at a moment: periods, renewals and notices are counted in Moscow days.
pub fn moscow_day(at: DateTime<Utc>) -> NaiveDate {
    (at.naive_utc() + MOSCOW_OFFSET).date()
}

/// The first moment of a day in Moscow.
pub fn day_start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() - MOSCOW_OFFSET
}

/// Number of months that are paid at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum PeriodLength {
    /// One calendar month, which is longer or shorter by the day of its beginning.
    Month,
    /// 3 months.
    Quarter,
    /// 6 months.
    HalfYear,
    /// 12 months.
    Year,
}

impl PeriodLength {
    /// All lengths, shortest first.
    pub const ALL: [Self; 4] = [Self::Month, Self::Quarter, Self::HalfYear, Self::Year];

    /// The number of months.
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::HalfYear => 6,
            Self::Year => 12,
        }
    }

    /// Text in Russian, such as `3 месяца`.
    pub const fn label_ru(self) -> &'static str {
        match self {
            Self::Month => "1 месяц",
            Self::Quarter => "3 месяца",
            Self::HalfYear => "6 месяцев",
            Self::Year => "12 месяцев",
        }
    }
}

impl TryFrom<u32> for PeriodLength {
    type Error = String;

    fn try_from(months: u32) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|length| length.months() == months)
            .ok_or_else(|| "a period has 1, 3, 6 or 12 months".to_owned())
    }
}

impl From<PeriodLength> for u32 {
    fn from(length: PeriodLength) -> Self {
        length.months()
    }
}

impl fmt::Display for PeriodLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.months().fmt(f)
    }
}

/// Day of the month on which periods begin, 1 to 31. In a shorter month it is the month's last day.
///
/// Boundaries are computed from the anchor, never from the previous boundary's day, so that 31 January is followed by
/// 28 February and 31 March.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnchorDay(u32);

impl AnchorDay {
    /// The anchor of periods that begin on `day`.
    pub fn of(day: NaiveDate) -> Self {
        Self(day.day())
    }

    /// An anchor read from storage; `None` unless it is 1 to 31.
    pub fn new(day: u32) -> Option<Self> {
        (1..=31).contains(&day).then_some(Self(day))
    }

    /// From 1 to 31; months that are shorter use their last day.
    pub const fn day(self) -> u32 {
        self.0
    }

    /// The period of this length that begins at the boundary `from`.
    pub fn period_from(self, from: NaiveDate, length: PeriodLength) -> Result<Period, OutOfRange> {
        let first = from.with_day(1).ok_or(OutOfRange)?;
        let month = first.checked_add_months(Months::new(length.months())).ok_or(OutOfRange)?;
        let next_month = month.checked_add_months(Months::new(1)).ok_or(OutOfRange)?;
        let last = next_month.pred_opt().ok_or(OutOfRange)?.day();
        let until = month.with_day(self.0.min(last)).ok_or(OutOfRange)?;
        Period::new(from, until)
    }
}

/// Days from `from` to before `until`, in Moscow. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    /// First day.
    pub from: NaiveDate,
    /// Day after the last one.
    pub until: NaiveDate,
}

impl Period {
    /// A period of at least one day.
    pub fn new(from: NaiveDate, until: NaiveDate) -> Result<Self, OutOfRange> {
        if from < until { Ok(Self { from, until }) } else { Err(OutOfRange) }
    }

    /// Counts `days` from `from`, whatever the calendar; [`OutOfRange`] behind the last date that chrono knows.
    pub fn of_days(from: NaiveDate, days: u32) -> Result<Self, OutOfRange> {
        let until = from.checked_add_days(Days::new(days.into())).ok_or(OutOfRange)?;
        Self::new(from, until)
    }

    /// Number of days.
    pub fn days(&self) -> i64 {
        (self.until - self.from).num_days()
    }

    /// Number of days from `day` to the end, `day` included; 0 after the period, all before it.
    pub fn days_left(&self, day: NaiveDate) -> i64 {
        (self.until - day.max(self.from)).num_days().max(0)
    }

    /// Whether the day belongs to the period.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.from <= day && day < self.until
    }

    /// The period with its end moved by `days`.
    pub fn extended(&self, days: u32) -> Result<Self, OutOfRange> {
        let until = self.until.checked_add_days(Days::new(days.into())).ok_or(OutOfRange)?;
        Ok(Self { until, ..*self })
    }

    /// Last day that is paid, one before the exclusive end.
    pub fn last_day(&self) -> NaiveDate {
        self.until.pred_opt().unwrap_or(self.from)
    }

    /// First moment after the period.
    pub fn ends_at(&self) -> DateTime<Utc> {
        day_start(self.until)
    }
}

impl fmt::Display for Period {
    /// First and last day as people in Russia write them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}", self.from.format("%d.%m.%Y"), self.last_day().format("%d.%m.%Y"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Boundaries of successive periods.
    fn boundaries(from: &str, length: PeriodLength, count: usize) -> Vec<String> {
        let anchor = AnchorDay::of(day(from));
        let mut next = day(from);
        (0..count)
            .map(|_| {
                next = anchor.period_from(next, length).unwrap().until;
                next.to_string()
            })
            .collect()
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_in_moscow() {
        // Moscow 23:59:59 is 20:59:59 UTC; Moscow 00:00 is 21:00 UTC of the day before.
        for (time, wanted) in [
            ("2026-11-30T20:59:59Z", "2026-11-30"),
            ("2026-11-30T20:59:59.999999Z", "2026-11-30"),
            ("2026-11-30T21:00:00Z", "2026-12-01"),
            ("2026-12-31T20:59:59Z", "2026-12-31"),
            ("2026-12-31T21:00:00Z", "2027-01-01"),
            ("2028-02-28T21:00:00Z", "2028-02-29"),
            ("2028-02-29T20:59:59Z", "2028-02-29"),
            ("2028-02-29T21:00:00Z", "2028-03-01"),
            ("2027-01-31T20:59:59Z", "2027-01-31"),
            ("2027-01-31T21:00:00Z", "2027-02-01"),
        ] {
            assert_eq!(moscow_day(at(time)), day(wanted), "{time}");
        }
        assert_eq!(day_start(day("2026-12-01")), at("2026-11-30T21:00:00Z"));
        assert_eq!(day_start(day("2027-01-01")), at("2026-12-31T21:00:00Z"));
    }

    #[test]
    fn the_anchor_returns_after_short_months() {
        assert_eq!(
            boundaries("2027-01-31", PeriodLength::Month, 5),
            ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]
        );
        assert_eq!(boundaries("2028-01-31", PeriodLength::Month, 2), ["2028-02-29", "2028-03-31"]);
        assert_eq!(
            boundaries("2027-01-30", PeriodLength::Month, 3),
            ["2027-02-28", "2027-03-30", "2027-04-30"]
        );
        assert_eq!(
            boundaries("2026-11-30", PeriodLength::Quarter, 3),
            ["2027-02-28", "2027-05-30", "2027-08-30"]
        );
        assert_eq!(
            boundaries("2026-08-31", PeriodLength::HalfYear, 3),
            ["2027-02-28", "2027-08-31", "2028-02-29"]
        );
        assert_eq!(
            boundaries("2028-02-29", PeriodLength::Year, 4),
            ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
        );
        assert_eq!(
            boundaries("2026-12-31", PeriodLength::Month, 3),
            ["2027-01-31", "2027-02-28", "2027-03-31"]
        );
        assert_eq!(boundaries("2026-12-01", PeriodLength::Month, 2), ["2027-01-01", "2027-02-01"]);
    }

    #[test]
    fn a_period_counts_whole_days_and_the_day_of_a_change() {
        let december = Period::new(day("2026-12-01"), day("2027-01-01")).unwrap();
        assert_eq!(december.days(), 31);
        assert_eq!(december.days_left(day("2026-12-01")), 31);
        assert_eq!(december.days_left(day("2026-12-31")), 1);
        assert_eq!(december.days_left(day("2027-01-01")), 0);
        assert_eq!(december.days_left(day("2026-11-01")), 31);
        assert!(december.contains(day("2026-12-31")) && !december.contains(day("2027-01-01")));
        assert_eq!(december.ends_at(), at("2026-12-31T21:00:00Z"));
        assert_eq!(december.to_string(), "01.12.2026–31.12.2026");
        assert!(Period::new(day("2026-12-01"), day("2026-12-01")).is_err());
        assert!(Period::of_days(day("2026-12-01"), 0).is_err());
    }

    #[test]
    fn only_lengths_on_sale_are_read() {
        for months in [1, 3, 6, 12] {
            assert_eq!(PeriodLength::try_from(months).unwrap().months(), months);
        }
        for months in [0, 2, 24, u32::MAX] {
            assert!(PeriodLength::try_from(months).is_err());
        }
        assert!(AnchorDay::new(0).is_none() && AnchorDay::new(32).is_none() && AnchorDay::new(31).is_some());
    }
}
