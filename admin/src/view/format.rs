//! Russian formatting of amounts, times and durations.

use std::borrow::Borrow;

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use flysk_domain::money::MicroCoins;
use flysk_domain::russian::{self, NO_BREAK_SPACE as SPACE};
pub(crate) use flysk_domain::russian::{number, roubles};

/// Offset of Moscow, which has no daylight saving time.
const MOSCOW_OFFSET: TimeDelta = TimeDelta::hours(3);
/// Length of a time as text, bytes.
const TIME_BYTES: usize = "2026-11-30 11:05:12 UTC".len();

/// `1 500 FC`, `962,5 FC`.
pub(crate) fn coins(amount: MicroCoins) -> String {
    format!("{}{SPACE}FC", russian::coins(amount))
}

/// A number of units as a decimal of the whole: `-962.5` for -962,500,000 units of six decimals.
pub(crate) fn decimal(units: i64, decimals: u32) -> String {
    let per_whole = 10_u64.pow(decimals);
    let (whole, rest) = (units.unsigned_abs() / per_whole, units.unsigned_abs() % per_whole);
    let sign = if units < 0 { "-" } else { "" };
    let width = usize::try_from(decimals).unwrap_or_default();
    let rest = format!("{rest:0width$}");
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

/// `30.11.2026 14:05:12` in Moscow.
pub(crate) fn moscow(time: impl Borrow<DateTime<Utc>>) -> String {
    let time = time.borrow();
    let Some(local) = time.naive_utc().checked_add_signed(MOSCOW_OFFSET) else { return utc(time) };
    match year_of(local) {
        Some(year) => written([(local.day(), 2), (local.month(), 2), (year, 4)], '.', local),
        None => local.format("%d.%m.%Y %H:%M:%S").to_string(),
    }
}

/// `2026-11-30 11:05:12 UTC`.
pub(crate) fn utc(time: impl Borrow<DateTime<Utc>>) -> String {
    let time = time.borrow().naive_utc();
    match year_of(time) {
        Some(year) => written([(year, 4), (time.month(), 2), (time.day(), 2)], '-', time) + " UTC",
        None => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// The year, if it has four digits, as all years of the database.
fn year_of(time: NaiveDateTime) -> Option<u32> {
    u32::try_from(time.year()).ok().filter(|year| *year <= 9_999)
}

/// A date, of three numbers with their digits, and the time of its day. A page has hundreds of times, and chrono reads
/// its pattern anew for each of them.
fn written(date: [(u32, u32); 3], separator: char, time: NaiveDateTime) -> String {
    let mut text = String::with_capacity(TIME_BYTES);
    for (place, (number, digits)) in date.into_iter().enumerate() {
        if place > 0 {
            text.push(separator);
        }
        push_digits(&mut text, number, digits);
    }
    for (before, number) in [(' ', time.hour()), (':', time.minute()), (':', time.second())] {
        text.push(before);
        push_digits(&mut text, number, 2);
    }
    text
}

/// Appends the last `digits` digits of a number.
fn push_digits(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.extend(char::from_digit(digit, 10));
    }
}

/// `350 мс`, `12,4 с`, `3 мин 5 с`, `2 ч 10 мин`.
pub(crate) fn duration_ms(ms: i64) -> String {
    let seconds = ms / 1_000;
    match ms {
        0 => format!("0{SPACE}с"),
        ..1_000 => format!("{ms}{SPACE}мс"),
        1_000..60_000 => format!("{seconds},{}{SPACE}с", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}{SPACE}мин {}{SPACE}с", seconds / 60, seconds % 60),
        _ => format!("{}{SPACE}ч {}{SPACE}мин", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_moscow() {
        let time = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        assert_eq!(utc(time), "2026-11-30 00:53:20 UTC");
        assert_eq!(moscow(time), "30.11.2026 03:53:20");
        // The last moment of a year in Moscow and the next one, a leap day, and the edges of four digits.
        for second in [1_798_750_799, 1_798_750_800, 1_709_208_000, -30_610_224_000, 253_402_300_799] {
            let time = DateTime::from_timestamp(second, 999_999_000).unwrap();
            let local = time + TimeDelta::hours(3);
            assert_eq!(moscow(time), local.format("%d.%m.%Y %H:%M:%S").to_string());
            assert_eq!(utc(time), time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal(-962_500_000, 6), "-962.5");
        assert_eq!(
            (decimal(150_000, 2), decimal(5, 2), decimal(0, 3)),
            ("1500".into(), "0.05".into(), "0".into())
        );
        assert_eq!(decimal(i64::MIN, 6), "-9223372036854.775808");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let plain = |ms| duration_ms(ms).replace(SPACE, " ");
        assert_eq!(
            [plain(350), plain(12_450), plain(185_000), plain(7_800_000)],
            ["350 мс", "12,4 с", "3 мин 5 с", "2 ч 10 мин"]
        );
    }
}
