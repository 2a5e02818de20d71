//! Hours of an account's day in which notices are sent. Nobody is written to at night.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};

/// Notices are sent from this hour of the account's day on.
const FIRST_HOUR: u32 = 9;
/// Notices are not sent from this hour of the account's day on.
const QUIET_FROM_HOUR: u32 = 21;
/// Offset of Moscow from UTC, for accounts whose offset is unknown, minutes.
const MOSCOW_OFFSET_MINUTES: i16 = 180;

/// The account's local time. `offset_minutes`: offset of the account's time from UTC; `None` if unknown.
pub(crate) fn local(at: DateTime<Utc>, offset_minutes: Option<i16>) -> DateTime<Utc> {
    at + offset(offset_minutes)
}

fn offset(minutes: Option<i16>) -> TimeDelta {
    TimeDelta::minutes(minutes.unwrap_or(MOSCOW_OFFSET_MINUTES).into())
}

/// The day of `at` in the account. `offset_minutes`: offset of the account's time from UTC; `None` if unknown.
pub fn local_day(at: DateTime<Utc>, offset_minutes: Option<i16>) -> NaiveDate {
    local(at, offset_minutes).date_naive()
}

/// When a notice may be sent: now, or at the next morning of the account.
pub fn next_send_time(now: DateTime<Utc>, offset_minutes: Option<i16>) -> DateTime<Utc> {
    let here = local(now, offset_minutes);
    if (FIRST_HOUR..QUIET_FROM_HOUR).contains(&here.hour()) {
        return now;
    }
    let today = here.date_naive();
    let day = if here.hour() < FIRST_HOUR { today } else { today + TimeDelta::days(1) };
    let first = NaiveTime::MIN + TimeDelta::hours(FIRST_HOUR.into());
    day.and_time(first).and_utc() - offset(offset_minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_is_woken_whatever_the_time_zone() {
        for (now, offset, then) in [
            ("2026-11-30T06:00:00Z", Some(180), "2026-11-30T06:00:00Z"),
            ("2026-11-30T05:59:59Z", Some(180), "2026-11-30T06:00:00Z"),
            ("2026-11-30T17:59:59Z", Some(180), "2026-11-30T17:59:59Z"),
            ("2026-11-30T18:00:00Z", None, "2026-12-01T06:00:00Z"),
            ("2026-11-30T20:30:00Z", Some(720), "2026-11-30T21:00:00Z"),
            ("2026-11-30T23:00:00Z", Some(-300), "2026-11-30T23:00:00Z"),
        ] {
            assert_eq!(next_send_time(at(now), offset), at(then), "{now} {offset:?}");
        }
    }

    #[test]
    fn the_day_is_that_of_the_account() {
        assert_eq!(local_day(at("2026-11-29T21:30:00Z"), Some(180)).to_string(), "2026-11-30");
        assert_eq!(local_day(at("2026-11-29T21:30:00Z"), Some(0)).to_string(), "2026-11-29");
    }
}
