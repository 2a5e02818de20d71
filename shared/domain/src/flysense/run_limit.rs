//! Limit of runs per call, because each run may cost a download, a decoding and a recognition.

use chrono::{DateTime, Duration, Utc};

/// Length of the window in which the runs of a call are counted, from the first of them.
pub const RUN_WINDOW: Duration = Duration::days(1);

/// Maximum number of an account's notes that users requested within [`RUN_WINDOW`] and that amoCRM has not returned. Any
/// number can be sent as a note's id, and each costs a row, a job and a request to amoCRM.
pub const MAX_UNSEEN_NOTES: u32 = 2_000;

/// Number of runs of a call in the current window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunCount {
    /// Start of the window; `None` if no run was counted yet.
    pub since: Option<DateTime<Utc>>,
    /// Number of runs in the window.
    pub runs: u32,
}

impl RunCount {
    /// The count after a first run at `now`.
    pub const fn first(now: DateTime<Utc>) -> Self {
        Self { since: Some(now), runs: 1 }
    }

    /// The count after another run at `now`. If `limit` is reached, the error is the time from which a run is allowed again.
    pub fn add(self, now: DateTime<Utc>, limit: u32) -> Result<Self, DateTime<Utc>> {
        match self.since {
            Some(since) if now < since + RUN_WINDOW => {
                let next = Self { since: self.since, runs: self.runs.saturating_add(1) };
                if next.runs > limit { Err(since + RUN_WINDOW) } else { Ok(next) }
            }
            _ => Ok(Self::first(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_runs_fit_into_a_day_and_the_next_day_begins_anew() {
        let began = DateTime::UNIX_EPOCH;
        let mut count = RunCount::first(began);
        for minute in 1..5 {
            count = count.add(began + Duration::minutes(minute), 5).unwrap();
        }
        assert_eq!(count.runs, 5);
        assert_eq!(count.add(began + Duration::hours(23), 5), Err(began + RUN_WINDOW));
        let tomorrow = began + RUN_WINDOW;
        assert_eq!(count.add(tomorrow, 5), Ok(RunCount::first(tomorrow)));
    }

    #[test]
    fn a_call_that_was_never_counted_begins_with_one() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(RunCount { since: None, runs: 0 }.add(now, 1), Ok(RunCount::first(now)));
    }
}
