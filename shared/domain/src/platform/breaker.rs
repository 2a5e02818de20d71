//! When an address that fails is left alone.

use chrono::{DateTime, TimeDelta, Utc};

/// Failures in a row after which the address is left alone.
const PATIENCE: u32 = 10;
/// How long at first; doubled with each failed try after it.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// How an address has been doing.
///
/// Ten failures in a row open it: nothing is sent for a minute, then one try decides, and each one that
/// fails doubles the pause up to an hour. One success closes it. What waits meanwhile loses no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Failures since the last success.
    pub failures: u32,
    /// Nothing is sent before this moment.
    pub open_until: Option<DateTime<Utc>>,
}

impl Breaker {
    /// How long to wait before the next try; `None` if it may be now.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.open_until.map(|until| until - now).filter(|wait| *wait > TimeDelta::zero())
    }

    /// It took what was sent.
    #[must_use]
    pub fn succeeded(self) -> Self {
        Self::default()
    }

    /// It failed at `now`. Failures of tries that were under way when it opened do not prolong the pause.
    #[must_use]
    pub fn failed(self, now: DateTime<Utc>) -> Self {
        if self.wait(now).is_some() {
            return self;
        }
        let failures = self.failures.saturating_add(1);
        let open_until = failures.checked_sub(PATIENCE).map(|beyond| {
            let doubled = FIRST_PAUSE * 2_i32.saturating_pow(beyond.min(10));
            now + doubled.min(LONGEST_PAUSE)
        });
        Self { failures, open_until }
    }

    /// It was fine before and is left alone from now on.
    pub fn opened_since(&self, before: &Self) -> bool {
        before.open_until.is_none() && self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn failing(times: u32) -> Breaker {
        (0..times).fold(Breaker::default(), |breaker, _| breaker.failed(at(0)))
    }

    #[test]
    fn nine_failures_are_forgiven_and_the_tenth_opens() {
        assert_eq!(failing(9).wait(at(0)), None);
        assert_eq!(failing(10).wait(at(0)), Some(TimeDelta::minutes(1)));
        assert!(failing(10).opened_since(&failing(9)));
    }

    #[test]
    fn many_failures_at_once_open_it_no_longer_than_one() {
        assert_eq!(failing(50), failing(10));
    }

    #[test]
    fn each_failed_try_doubles_the_pause_up_to_an_hour() {
        let (mut breaker, mut now, mut pauses) = (failing(10), at(0), Vec::new());
        for _ in 0..9 {
            let pause = breaker.wait(now).unwrap();
            pauses.push(pause.num_minutes());
            now += pause;
            assert_eq!(breaker.wait(now), None);
            breaker = breaker.failed(now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn one_success_closes_it() {
        assert_eq!(failing(10).succeeded(), Breaker::default());
    }
}
