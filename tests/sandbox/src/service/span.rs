//! Times and spans of time as people write them: `2027-01-31T09:00:00Z`; `90s`, `15min`, `2h`, `30d`, `1w`, `1mo`, `1y`.

use chrono::{DateTime, Months, TimeDelta, Utc};

/// What a span looks like.
const FORM: &str = "a whole number with a unit: s, min, h, d, w, mo (a calendar month) or y, such as 30d";

/// The time of a text.
///
/// # Errors
///
/// The text is no time: a day alone is none, nor is a time without its offset.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(Into::into).map_err(|_| format!("`{text}` is not a time: write it like 2027-01-31T09:00:00Z"))
}

/// The time a span after `now`.
///
/// # Errors
///
/// The text is no span, or the time is not representable.
pub(super) fn after(now: DateTime<Utc>, text: &str) -> Result<DateTime<Utc>, String> {
    let wrong = || format!("`{text}` is not a span of time: write {FORM}");
    let end = text.find(|symbol: char| !symbol.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let times = |span: TimeDelta| span.checked_mul(i32::try_from(number).ok()?);
    let months = |each: u32| now.checked_add_months(Months::new(number.checked_mul(each)?));
    let moved = match unit {
        "s" => times(TimeDelta::seconds(1)).and_then(|span| now.checked_add_signed(span)),
        "min" => times(TimeDelta::minutes(1)).and_then(|span| now.checked_add_signed(span)),
        "h" => times(TimeDelta::hours(1)).and_then(|span| now.checked_add_signed(span)),
        "d" => times(TimeDelta::days(1)).and_then(|span| now.checked_add_signed(span)),
        "w" => times(TimeDelta::weeks(1)).and_then(|span| now.checked_add_signed(span)),
        "mo" => months(1),
        "y" => months(12),
        _ => return Err(wrong()),
    };
    moved.ok_or_else(|| format!("`{text}` after {now} is too late"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_day_a_time_of_day_and_an_offset() {
        let read = |text: &str| time(text).map(|time| time.to_rfc3339());
        assert_eq!(read("2027-01-31T09:00:00Z").unwrap(), "2027-01-31T09:00:00+00:00");
        assert_eq!(read("2027-01-31T12:00:00.5+03:00").unwrap(), "2027-01-31T09:00:00.500+00:00");
        for wrong in ["", "now", "2027-01-31", "2027-01-31T09:00:00", "31.01.2027", "2027-02-30T09:00:00Z"] {
            assert!(read(wrong).unwrap_err().contains("write it like 2027-01-31T09:00:00Z"), "{wrong}");
        }
    }

    #[test]
    fn spans_have_units_and_months_are_those_of_the_calendar() {
        let now: DateTime<Utc> = "2027-01-31T09:00:00Z".parse().unwrap();
        for (span, then) in [
            ("0s", "2027-01-31T09:00:00Z"),
            ("90s", "2027-01-31T09:01:30Z"),
            ("15min", "2027-01-31T09:15:00Z"),
            ("2h", "2027-01-31T11:00:00Z"),
            ("30d", "2027-03-02T09:00:00Z"),
            ("2w", "2027-02-14T09:00:00Z"),
            ("1mo", "2027-02-28T09:00:00Z"),
            ("1y", "2028-01-31T09:00:00Z"),
        ] {
            assert_eq!(after(now, span).unwrap().to_rfc3339(), then.replace('Z', "+00:00"), "{span}");
        }
        for wrong in ["", "30", "d", "-1d", "1.5h", "5m", "1 d", "9999999999y", "4000000000y"] {
            assert!(after(now, wrong).is_err(), "{wrong}");
        }
    }
}
