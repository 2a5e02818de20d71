//! Period of an account's call log that is read to find calls whose hooks were lost.

use chrono::{DateTime, TimeDelta, Utc};

/// Overlap of the periods: entries may appear in the log after their time, and clocks differ.
pub const WINDOW_OVERLAP: TimeDelta = TimeDelta::minutes(15);
/// Maximum length of a period: after a longer outage, transcripts of older calls are of no use any more.
pub const MAX_LOOKBACK: TimeDelta = TimeDelta::days(7);

/// Start of the period that ends at `until`: slightly before the end of the last one, and never before automatic
/// transcription was switched on.
pub fn window_start(
    auto_since: DateTime<Utc>,
    reconciled_until: Option<DateTime<Utc>>,
    until: DateTime<Utc>,
) -> DateTime<Utc> {
    let overlapping = reconciled_until.map_or(auto_since, |end| end - WINDOW_OVERLAP);
    overlapping.max(until - MAX_LOOKBACK).max(auto_since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn windows_overlap_and_never_reach_before_the_start() {
        let since = at("2026-11-20T10:00:00Z");
        let until = at("2026-11-20T12:00:00Z");
        assert_eq!(window_start(since, None, until), since);
        let last = Some(at("2026-11-20T11:50:00Z"));
        assert_eq!(window_start(since, last, until), at("2026-11-20T11:35:00Z"));
        let first = Some(at("2026-11-20T10:05:00Z"));
        assert_eq!(window_start(since, first, until), since, "calls before the activation are excluded");
    }

    #[test]
    fn a_long_absence_is_not_made_up_for_without_end() {
        let since = at("2026-01-01T00:00:00Z");
        let until = at("2026-11-20T12:00:00Z");
        assert_eq!(window_start(since, Some(at("2026-09-01T00:00:00Z")), until), at("2026-11-13T12:00:00Z"));
    }
}
