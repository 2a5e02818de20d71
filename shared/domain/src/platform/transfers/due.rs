//! Days until which an invoice is paid at its price, and from when a statement is read.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, Utc, Weekday};

use crate::platform::subscriptions::{day_start, moscow_day};

/// Days to pay that an invoice has unless its seller has chosen another number.
const DEFAULT_DUE_DAYS: u32 = 7;
/// Most days to pay: the price is held so long.
pub const MAX_DUE_DAYS: u32 = 30;
/// Days before the end of the last reading at which the next one begins, because ids and order of operations change later.
pub const READING_OVERLAP_DAYS: i64 = 3;
/// Days after the due day on which an invoice still waits: a payment order of the last day arrives on one of the next
/// banking days.
pub const DAYS_IN_TRANSIT: u64 = 5;

/// The number of days to pay is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invoice can be paid for 1 to {MAX_DUE_DAYS} days")]
pub struct InvalidDueDays;

/// Days in which an invoice of a seller can be paid at its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueTerms {
    days: u32,
    counts_banking_days: bool,
}

impl Default for DueTerms {
    /// A week of calendar days.
    fn default() -> Self {
        Self { days: DEFAULT_DUE_DAYS, counts_banking_days: false }
    }
}

impl DueTerms {
    /// 1 to [`MAX_DUE_DAYS`] days, all of them or banking days only.
    pub fn new(days: u32, counts_banking_days: bool) -> Result<Self, InvalidDueDays> {
        (1..=MAX_DUE_DAYS).contains(&days).then_some(Self { days, counts_banking_days }).ok_or(InvalidDueDays)
    }

    /// Number of days.
    pub const fn days(self) -> u32 {
        self.days
    }

    /// Whether only banking days count.
    pub const fn counts_banking_days(self) -> bool {
        self.counts_banking_days
    }

    /// The last day to pay an invoice of a day.
    ///
    /// Banking days are Monday to Friday: which of them are holidays, and which weekends are worked, the government says anew for
    /// each year, so that holidays count here. The days in transit make up for some of them.
    pub fn last_day(self, issued_on: NaiveDate) -> NaiveDate {
        if !self.counts_banking_days {
            return issued_on.checked_add_days(Days::new(self.days.into())).unwrap_or(NaiveDate::MAX);
        }
        let (mut day, mut left) = (issued_on, self.days);
        while left > 0 {
            let Some(next) = day.succ_opt() else { return day };
            day = next;
            left -= u32::from(is_banking_day(day));
        }
        day
    }
}

/// Monday to Friday.
fn is_banking_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// Whether an invoice with this due day waits no longer.
pub fn is_past_due(due_on: NaiveDate, today: NaiveDate) -> bool {
    due_on.checked_add_days(Days::new(DAYS_IN_TRANSIT)).is_none_or(|last| today > last)
}

/// From when a statement is read: days before the end of the last reading, or the beginning of the vendor's access.
pub fn reading_begins(read_until: DateTime<Utc>) -> DateTime<Utc> {
    // Whole days, so that equal operations of one day are counted together.
    day_start(moscow_day(read_until - TimeDelta::days(READING_OVERLAP_DAYS)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_is_held_for_a_month_at_most() {
        let issued = day("2026-11-30");
        let last = |days| DueTerms::new(days, false).map(|terms| terms.last_day(issued));
        assert_eq!(DueTerms::default().last_day(issued), day("2026-12-07"));
        assert_eq!((last(7), last(30)), (Ok(day("2026-12-07")), Ok(day("2026-12-30"))));
        assert_eq!((last(0), last(31)), (Err(InvalidDueDays), Err(InvalidDueDays)));
    }

    #[test]
    fn weekends_are_no_banking_days() {
        for (issued, days, last) in [
            // Monday, Friday, Saturday, Sunday.
            ("2026-11-30", 1, "2026-12-01"),
            ("2026-11-30", 5, "2026-12-07"),
            ("2026-12-04", 1, "2026-12-07"),
            ("2026-12-05", 1, "2026-12-07"),
            ("2026-12-06", 5, "2026-12-11"),
        ] {
            let terms = DueTerms::new(days, true).unwrap();
            assert_eq!(terms.last_day(day(issued)), day(last), "{issued} and {days}");
        }
        assert_eq!(DueTerms::default().last_day(NaiveDate::MAX), NaiveDate::MAX);
    }

    proptest! {
        #[test]
        fn banking_days_end_on_a_banking_day_and_never_earlier(offset in 0_u64..400, days in 1..=MAX_DUE_DAYS) {
            let issued = day("2026-01-01").checked_add_days(Days::new(offset)).unwrap();
            let all = DueTerms::new(days, false).unwrap().last_day(issued);
            let banking = DueTerms::new(days, true).unwrap().last_day(issued);
            prop_assert!(is_banking_day(banking) && banking >= all);
            let counted = issued.iter_days().skip(1).take_while(|day| *day <= banking).filter(|day| is_banking_day(*day));
            prop_assert_eq!(u32::try_from(counted.count()).unwrap(), days);
        }
    }

    #[test]
    fn an_order_of_the_last_day_has_time_to_arrive() {
        let due = day("2026-12-07");
        assert!(!is_past_due(due, due) && !is_past_due(due, day("2026-12-12")));
        assert!(is_past_due(due, day("2026-12-13")));
    }

    #[test]
    fn a_reading_begins_with_a_whole_day_in_moscow() {
        let until = "2026-11-30T22:30:00Z".parse().unwrap();
        assert_eq!(reading_begins(until).to_rfc3339(), "2026-11-27T21:00:00+00:00");
    }
}
