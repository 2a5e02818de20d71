//! Values of examples in the OpenAPI document.

use chrono::NaiveDate;

/// A day of December 2026.
pub(super) fn example_day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, day).unwrap_or_default()
}
