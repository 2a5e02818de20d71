//! `Retry-After` (RFC 9110, 10.2.3).

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Upper limit of `Retry-After`; longer values are errors or abuse.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The delay that the response requests, at most a day.
///
/// A date is compared with the response's own `Date`, so that clock skew does not matter.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let sent = http_date(headers.get(DATE)?.to_str().ok()?)?;
        (http_date(value)? - sent).to_std().unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        headers.insert(DATE, "Sun, 01 Nov 2026 10:00:00 GMT".parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_waits_of_at_most_a_day() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 01 Nov 2026 10:02:00 GMT"), Some(Duration::from_mins(2)));
        assert_eq!(wait("Sun, 01 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for value in ["", "-1", "soon", "1.5", "99999999999999999999999999"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }
}
