//! Rules for transcribing calls without a user's request.
//!
//! Other widgets of an account can read the address of FlySense's hook and name any note there. So only recent calls after
//! the activation count, and only so many a day.

use chrono::{DateTime, TimeDelta, Utc};

use super::reconcile::{MAX_LOOKBACK, WINDOW_OVERLAP};

/// Maximum number of automatic requests of an account in a day.
pub const MAX_AUTOMATIC_PER_DAY: u32 = 5_000;
/// The day in which automatic requests are counted.
pub const AUTOMATIC_WINDOW: TimeDelta = TimeDelta::days(1);

/// Whether a call of this time may be transcribed for a request that came from a hook at `requested_at`: it is at most a week
/// old, and not older than automatic transcription, with some minutes for notes that are written after the call.
pub fn is_timely(called_at: DateTime<Utc>, auto_since: DateTime<Utc>, requested_at: DateTime<Utc>) -> bool {
    // Automatic transcription may have been switched off and on again since the request; then its start is not known.
    let follows_activation = auto_since > requested_at || called_at >= auto_since - WINDOW_OVERLAP;
    follows_activation && called_at >= requested_at - MAX_LOOKBACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_calls_and_calls_before_the_activation_are_not_timely() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (since, now) = (at("2026-11-20T10:00:00Z"), at("2026-11-30T10:00:00Z"));
        assert!(is_timely(at("2026-11-30T09:00:00Z"), since, now));
        assert!(!is_timely(at("2026-11-22T10:00:00Z"), since, now));
        let first = at("2026-11-20T10:30:00Z");
        assert!(
            is_timely(at("2026-11-20T09:50:00Z"), since, first),
            "a call that ended after the activation"
        );
        assert!(!is_timely(at("2026-11-20T09:00:00Z"), since, first));
        assert!(
            is_timely(at("2026-11-30T09:00:00Z"), at("2026-11-30T12:00:00Z"), now),
            "switched on again later"
        );
    }
}
