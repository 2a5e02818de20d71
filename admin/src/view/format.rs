//! Russian formatting of amounts, times and durations.

use std::borrow::Borrow;

use chrono::{DateTime, FixedOffset, Utc};
use flysk_domain::money::MicroCoins;
use flysk_domain::russian::{self, NO_BREAK_SPACE as SPACE};
pub(crate) use flysk_domain::russian::{number, roubles};

/// Offset of Moscow, which has no daylight saving time, in seconds.
const MOSCOW_OFFSET_S: i32 = 3 * 3_600;

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
    match FixedOffset::east_opt(MOSCOW_OFFSET_S) {
        Some(offset) => time.with_timezone(&offset).format("%d.%m.%Y %H:%M:%S").to_string(),
        None => utc(time),
    }
}

/// `2026-11-30 11:05:12 UTC`.
pub(crate) fn utc(time: impl Borrow<DateTime<Utc>>) -> String {
    time.borrow().format("%Y-%m-%d %H:%M:%S UTC").to_string()
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
