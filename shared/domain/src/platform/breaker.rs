//! Circuit breaker of event URLs.

use chrono::{DateTime, TimeDelta, Utc};

/// Consecutive failures that open the circuit.
const FAILURE_THRESHOLD: u32 = 10;
/// First pause, doubled by each failed attempt after it.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const MAX_PAUSE: TimeDelta = TimeDelta::hours(1);

/// Circuit breaker of one event URL.
///
/// Ten consecutive failures open it: nothing is sent for a minute, then one attempt is made; each further failure
/// doubles the pause, up to an hour. One success closes it. Postponed deliveries do not lose an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Consecutive failures since the last success.
    pub failures: u32,
    /// Nothing is sent before this time; `None` while the circuit is closed.
    pub open_until: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Time until the next attempt; `None` if it may be made now.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.open_until.map(|until| until - now).filter(|wait| *wait > TimeDelta::zero())
    }

    /// State after a successful delivery: closed.
    #[must_use]
    pub fn succeeded(self) -> Self {
        Self::default()
    }

    /// State after a failure at `now`. Failures of attempts that started before the circuit opened do not prolong the pause.
    #[must_use]
    pub fn failed(self, now: DateTime<Utc>) -> Self {
        if self.wait(now).is_some() {
            return self;
        }
        let failures = self.failures.saturating_add(1);
        let open_until = failures.checked_sub(FAILURE_THRESHOLD).map(|beyond| {
            let doubled = FIRST_PAUSE * 2_i32.saturating_pow(beyond.min(10));
            now + doubled.min(MAX_PAUSE)
        });
        Self { failures, open_until }
    }

    /// Whether the circuit was closed `before` and is open now.
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
