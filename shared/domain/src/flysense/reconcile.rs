//! Which part of an account's log of calls is read for those whose hook never came.

use chrono::{DateTime, TimeDelta, Utc};

/// Entries may appear in the log later than they say, and clocks differ: windows overlap by this.
pub const OVERLAP: TimeDelta = TimeDelta::minutes(15);
/// After a longer absence of ours nobody waits for transcripts of the first days any more.
pub const MOST_BACK: TimeDelta = TimeDelta::days(7);

/// Where the window that ends at `until` begins: a little before the last one ended, and never before calls of
/// the account are transcribed by themselves.
pub fn window_start(
    auto_since: DateTime<Utc>,
    reconciled_until: Option<DateTime<Utc>>,
    until: DateTime<Utc>,
) -> DateTime<Utc> {
    let overlapping = reconciled_until.map_or(auto_since, |end| end - OVERLAP);
    overlapping.max(until - MOST_BACK).max(auto_since)
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
        assert_eq!(window_start(since, first, until), since, "calls before the activation are not ours");
    }

    #[test]
    fn a_long_absence_is_not_made_up_for_without_end() {
        let since = at("2026-01-01T00:00:00Z");
        let until = at("2026-11-20T12:00:00Z");
        assert_eq!(window_start(since, Some(at("2026-09-01T00:00:00Z")), until), at("2026-11-13T12:00:00Z"));
    }
}
