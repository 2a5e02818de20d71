//! When the bank is asked about an attempt.

use chrono::{DateTime, TimeDelta, Utc};

use super::AttemptState;
use crate::platform::purchases::PAYMENT_LINK_TTL;

/// A charge whose payment is still `NEW` after this time never started: the payment is cancelled.
pub const UNSTARTED_AFTER: TimeDelta = TimeDelta::hours(1);

/// The bank decides what it is in doubt about within 60 minutes; later, operators are notified. There is still no new attempt.
pub const ALARM_AFTER: TimeDelta = TimeDelta::minutes(65);

/// When the link of a form ends that was asked for at `created_at`: after its lifetime, and not after the last moment at which its
/// invoice can be paid, `due_at`. The bank takes no money for it afterwards.
pub fn link_ends_at(created_at: DateTime<Utc>, due_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let ends_at = created_at + PAYMENT_LINK_TTL;
    due_at.map_or(ends_at, |due| ends_at.min(due))
}

/// Delay until the next question about an attempt that was sent `age` ago; `None` if it is not asked about any more.
pub fn next_query(state: AttemptState, age: TimeDelta) -> Option<TimeDelta> {
    if !state.is_open() {
        return None;
    }
    Some(match age {
        age if age < TimeDelta::minutes(10) => TimeDelta::minutes(1),
        age if age < patience(state) => TimeDelta::minutes(5),
        age if age < TimeDelta::days(2) => TimeDelta::hours(1),
        _ => TimeDelta::hours(12),
    })
}

/// Time in which an attempt in this state is decided, unless something is wrong.
fn patience(state: AttemptState) -> TimeDelta {
    match state {
        AttemptState::Open => PAYMENT_LINK_TTL + TimeDelta::minutes(5),
        _ => ALARM_AFTER,
    }
}

/// Whether an operator may end an attempt that was sent `age` ago: it contradicts the bank, or the bank has had its time to
/// decide.
pub fn may_be_cleared(state: AttemptState, age: TimeDelta) -> bool {
    state == AttemptState::Review || (state.is_open() && age >= patience(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_with_its_invoice() {
        let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
        let created = at("2026-12-31T20:00:00Z");
        for (due, ends) in [
            (None, "2026-12-31T23:00:00Z"),
            (Some("2027-01-01T09:00:00Z"), "2026-12-31T23:00:00Z"),
            (Some("2026-12-31T21:00:00Z"), "2026-12-31T21:00:00Z"),
        ] {
            assert_eq!(link_ends_at(created, due.map(at)), at(ends), "{due:?}");
        }
    }

    #[test]
    fn an_operator_ends_what_the_bank_had_its_time_to_decide() {
        let minutes = TimeDelta::minutes;
        for (state, age, wanted) in [
            (AttemptState::Review, minutes(0), true),
            (AttemptState::Charging, minutes(64), false),
            (AttemptState::Charging, minutes(65), true),
            (AttemptState::Open, minutes(184), false),
            (AttemptState::Open, minutes(185), true),
            (AttemptState::Paid, TimeDelta::days(9), false),
            (AttemptState::Failed, TimeDelta::days(9), false),
        ] {
            assert_eq!(may_be_cleared(state, age), wanted, "{state} after {age}");
        }
    }

    #[test]
    fn an_undecided_attempt_is_asked_about_until_it_is_decided() {
        let minutes = TimeDelta::minutes;
        for (state, age, wanted) in [
            (AttemptState::Charging, minutes(0), Some(minutes(1))),
            (AttemptState::Charging, minutes(30), Some(minutes(5))),
            (AttemptState::Charging, minutes(66), Some(minutes(60))),
            (AttemptState::Cancelling, TimeDelta::days(9), Some(TimeDelta::hours(12))),
            (AttemptState::Open, minutes(100), Some(minutes(5))),
            (AttemptState::Review, minutes(100), Some(minutes(60))),
            (AttemptState::Paid, minutes(0), None),
            (AttemptState::Failed, minutes(0), None),
        ] {
            assert_eq!(next_query(state, age), wanted, "{state} after {age}");
        }
    }
}
