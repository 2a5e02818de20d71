//! Days until which an invoice is paid at its price, and from when a statement is read.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::platform::subscriptions::{day_start, moscow_day};

/// Days to pay that an invoice has unless another number is asked for.
pub const DEFAULT_DUE_DAYS: u32 = 7;
/// Most days to pay: the price is held so long.
pub const MAX_DUE_DAYS: u32 = 30;
/// Days before the end of the last reading at which the next one begins, because ids and order of operations change later.
pub const READING_OVERLAP_DAYS: i64 = 3;
/// Days after the due day on which an invoice still waits: a payment order of the last day arrives on one of the next
/// banking days.
pub const DAYS_IN_TRANSIT: u64 = 5;

/// The last day to pay; `None` if the number of days is not from 1 to [`MAX_DUE_DAYS`].
pub fn check_due_day(issued_on: NaiveDate, days: u32) -> Option<NaiveDate> {
    (1..=MAX_DUE_DAYS)
        .contains(&days)
        .then(|| issued_on.checked_add_days(Days::new(u64::from(days))))
        .flatten()
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
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_is_held_for_a_month_at_most() {
        let issued = day("2026-11-30");
        assert_eq!(check_due_day(issued, 7), Some(day("2026-12-07")));
        assert_eq!(check_due_day(issued, 30), Some(day("2026-12-30")));
        assert_eq!((check_due_day(issued, 0), check_due_day(issued, 31)), (None, None));
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
