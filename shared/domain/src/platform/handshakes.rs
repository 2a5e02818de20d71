//! Handshakes of an install over time: when they began, were lost, and were found again.

use chrono::{DateTime, TimeDelta, Utc};

/// Handshakes are lost after this time without any. Longer than every weekend; holidays of a whole account may count as lost.
pub const HANDSHAKES_LOST_AFTER: TimeDelta = TimeDelta::days(7);

/// A period of handshakes without a break of [`HANDSHAKES_LOST_AFTER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakePeriod {
    /// The first handshake.
    pub began_at: DateTime<Utc>,
    /// The last one.
    pub last_at: DateTime<Utc>,
    /// Their number.
    pub handshakes: u64,
}

/// A moment that a timeline tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeMoment {
    /// The first known handshake.
    Began,
    /// The first one after a break of this length.
    Found(TimeDelta),
    /// The latest one of a period that goes on, which has had so many.
    Latest(u64),
    /// The last one of a period that has ended, which has had so many: none followed in time.
    Lost(u64),
}

/// The moments of an install's periods, oldest first. The periods may be in any order, and may overlap: processes write them.
pub fn handshake_moments(
    periods: &[HandshakePeriod],
    now: DateTime<Utc>,
) -> Vec<(DateTime<Utc>, HandshakeMoment)> {
    let joined = join(periods);
    let mut moments = Vec::new();
    let mut former: Option<HandshakePeriod> = None;
    for (index, period) in joined.iter().enumerate() {
        let began = match former {
            Some(former) => HandshakeMoment::Found(period.began_at - former.last_at),
            None => HandshakeMoment::Began,
        };
        moments.push((period.began_at, began));
        let goes_on = index + 1 == joined.len() && now - period.last_at < HANDSHAKES_LOST_AFTER;
        let last = if goes_on { HandshakeMoment::Latest } else { HandshakeMoment::Lost };
        moments.push((period.last_at, last(period.handshakes)));
        former = Some(*period);
    }
    moments
}

/// The periods in order, joined where there is no long break between them.
fn join(periods: &[HandshakePeriod]) -> Vec<HandshakePeriod> {
    let mut sorted = periods.to_vec();
    sorted.sort_by_key(|period| period.began_at);
    let mut joined: Vec<HandshakePeriod> = Vec::new();
    for period in sorted {
        match joined.last_mut() {
            Some(last) if period.began_at - last.last_at < HANDSHAKES_LOST_AFTER => {
                last.last_at = last.last_at.max(period.last_at);
                last.handshakes += period.handshakes;
            }
            _ => joined.push(period),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_796_000_000, 0).expect("a time") + TimeDelta::days(day)
    }

    fn period(began: i64, last: i64, handshakes: u64) -> HandshakePeriod {
        HandshakePeriod { began_at: day(began), last_at: day(last), handshakes }
    }

    #[test]
    fn a_long_break_is_lost_and_found() {
        let periods = [period(20, 30, 7), period(0, 10, 5)];
        let (began, lost) = ((day(0), HandshakeMoment::Began), (day(10), HandshakeMoment::Lost(5)));
        let found = (day(20), HandshakeMoment::Found(TimeDelta::days(10)));
        let latest = (day(30), HandshakeMoment::Latest(7));
        assert_eq!(handshake_moments(&periods, day(36)), [began, lost, found, latest]);
        let all_lost = [began, lost, found, (day(30), HandshakeMoment::Lost(7))];
        assert_eq!(handshake_moments(&periods, day(37)), all_lost);
        assert!(handshake_moments(&[], day(0)).is_empty());
    }

    #[test]
    fn periods_that_two_processes_began_are_one() {
        let periods = [period(0, 3, 5), period(1, 2, 1), period(4, 9, 2)];
        let wanted = [(day(0), HandshakeMoment::Began), (day(9), HandshakeMoment::Latest(8))];
        assert_eq!(handshake_moments(&periods, day(10)), wanted);
    }
}
