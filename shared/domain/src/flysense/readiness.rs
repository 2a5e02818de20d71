//! Readiness of recordings. Telephony systems create a call's note first and its recording later: for a while the link
//! returns nothing, a page, a refusal, or the beginning of the file.

use chrono::{DateTime, Duration, Utc};

use crate::text_enum::labeled_enum;

/// A recording is considered much shorter than its call if it has less than 4/5 of the noted duration and is at least 2 s
/// shorter. Notes contain whole seconds, and some telephony systems include the ringing, which cannot be distinguished
/// from a missing end.
const TOO_SHORT_RATIO: (u64, u64) = (4, 5);
const TOO_SHORT_BY_MS: u64 = 2_000;

labeled_enum!(
    /// Condition that a call waits for before it can be transcribed.
    RecordingWait {
        /// The note has no link yet.
        NoLink = "no_link", "Телефония ещё не передала ссылку на запись. Расшифровка начнётся сама, когда ссылка появится.";
        /// The link does not lead to a recording yet.
        NotReady = "not_ready", "Телефония ещё готовит запись: по ссылке её пока нет. Расшифровка начнётся сама, когда запись появится.";
        /// The link leads to a part of the recording.
        StillGrowing = "still_growing", "Телефония ещё дописывает запись: пока доступно только её начало. Расшифровка начнётся сама, когда запись будет целой.";
    }
);

/// Time that a recording may take to become complete, counted from its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleTime {
    /// Creation of the note, but no later than the request for the transcription here, since clocks of hosts differ.
    pub since: DateTime<Utc>,
    /// Time for which an incomplete recording counts as not ready.
    pub settle: Duration,
}

impl SettleTime {
    /// When to look again, if the recording may still be on its way: soon at first, then ever more rarely, and once more when
    /// the time is over. `None` once it is over: then what is there decides.
    pub fn next_check(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends_at = self.since + self.settle;
        let wait = ((now - self.since) / 4).clamp(Duration::seconds(5), Duration::minutes(10));
        (now < ends_at).then(|| (now + wait).min(ends_at.max(now + Duration::seconds(1))))
    }
}

/// Whether a recording of this duration is too short to be complete for a call that lasted `told_s`. Without a noted
/// duration it is `false`; a longer recording is accepted.
pub fn is_far_shorter(duration_ms: u64, told_s: Option<u64>) -> bool {
    let Some(call_ms) = told_s.and_then(|seconds| seconds.checked_mul(1_000)) else { return false };
    let (share, whole) = TOO_SHORT_RATIO;
    let is_small = duration_ms.saturating_mul(whole) < call_ms.saturating_mul(share);
    is_small && call_ms.saturating_sub(duration_ms) >= TOO_SHORT_BY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_get_rarer_and_the_last_one_comes_when_the_time_is_over() {
        let settle = SettleTime { since: DateTime::UNIX_EPOCH, settle: Duration::hours(1) };
        let wait = |seconds| {
            let now = settle.since + Duration::seconds(seconds);
            settle.next_check(now).map(|at| (at - now).num_seconds())
        };
        assert_eq!((wait(0), wait(20), wait(60), wait(600)), (Some(5), Some(5), Some(15), Some(150)));
        assert_eq!(wait(3_400), Some(200), "the last check is at the end of the period");
        assert_eq!((wait(3_600), wait(86_400)), (None, None));
        let mut now = settle.since;
        let mut looks = 0;
        while let Some(next) = settle.next_check(now) {
            assert!(next > now);
            (now, looks) = (next, looks + 1);
        }
        assert!(looks < 40, "{looks} looks");
        assert_eq!(now, settle.since + settle.settle);
    }

    #[test]
    fn a_time_of_nothing_lets_the_first_look_decide() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(SettleTime { since: now, settle: Duration::zero() }.next_check(now), None);
    }

    #[test]
    fn a_third_of_a_call_is_far_shorter_and_rounded_seconds_are_not() {
        for (duration_ms, told_s) in [(2_016, 6), (0, 6), (3_900, 6), (20_000, 60), (47_000, 60), (0, 2)] {
            assert!(is_far_shorter(duration_ms, Some(told_s)), "{duration_ms} of {told_s}");
        }
        for (duration_ms, told_s) in
            [(6_000, 6), (5_100, 6), (48_000, 60), (90_000, 60), (400, 1), (500, 2), (0, 0), (3_000, 4)]
        {
            assert!(!is_far_shorter(duration_ms, Some(told_s)), "{duration_ms} of {told_s}");
        }
        assert!(!is_far_shorter(1, None) && !is_far_shorter(1, Some(u64::MAX)));
    }
}
