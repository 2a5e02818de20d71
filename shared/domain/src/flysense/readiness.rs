//! When a recording is finished. Telephonies write a call's note first and its recording afterwards: for a while the link
//! answers with nothing, a page, a refusal, or the beginning of the file.

use chrono::{DateTime, Duration, Utc};

use super::coded::coded_enum;

/// A recording this much shorter than its note says is far shorter: less than four fifths of it, and by two seconds and
/// more. Notes tell whole seconds, and some telephonies count the ringing, which no tolerance tells from a missing end.
const SHORT_SHARE: (u64, u64) = (4, 5);
const SHORT_BY_MS: u64 = 2_000;

coded_enum!(
    /// What a call waits for before it can be transcribed.
    RecordingWait {
        /// The note has no link yet.
        NoLink = "no_link", "Телефония ещё не передала ссылку на запись. Расшифровка начнётся сама, когда ссылка появится.";
        /// The link does not lead to a recording yet.
        NotReady = "not_ready", "Телефония ещё готовит запись: по ссылке её пока нет. Расшифровка начнётся сама, когда запись появится.";
        /// The link leads to a part of the recording.
        StillGrowing = "still_growing", "Телефония ещё дописывает запись: пока доступно только её начало. Расшифровка начнётся сама, когда запись будет целой.";
    }
);

/// How long a recording may take to be finished, counted from its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleTime {
    /// When the note was made. Hosts' clocks differ, so no later than the call was asked for here.
    pub since: DateTime<Utc>,
    /// How long what is not a finished recording counts as not there yet.
    pub settle: Duration,
}

impl SettleTime {
    /// When to look again, if the recording may still be on its way: soon at first, then ever more rarely, and once more when
    /// the time is over. `None` once it is over: then what is there decides.
    pub fn next_look(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends_at = self.since + self.settle;
        let wait = ((now - self.since) / 4).clamp(Duration::seconds(5), Duration::minutes(10));
        (now < ends_at).then(|| (now + wait).min(ends_at.max(now + Duration::seconds(1))))
    }
}

/// Whether a recording of this length cannot be all of a call that lasted `told_s`. Without a told length nothing can be
/// compared; a longer recording is none of our business.
pub fn is_far_shorter(duration_ms: u64, told_s: Option<u64>) -> bool {
    let Some(call_ms) = told_s.and_then(|seconds| seconds.checked_mul(1_000)) else { return false };
    let (share, whole) = SHORT_SHARE;
    let is_small = duration_ms.saturating_mul(whole) < call_ms.saturating_mul(share);
    is_small && call_ms.saturating_sub(duration_ms) >= SHORT_BY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_get_rarer_and_the_last_one_comes_when_the_time_is_over() {
        let settle = SettleTime { since: DateTime::UNIX_EPOCH, settle: Duration::hours(1) };
        let wait = |seconds| {
            let now = settle.since + Duration::seconds(seconds);
            settle.next_look(now).map(|at| (at - now).num_seconds())
        };
        assert_eq!((wait(0), wait(20), wait(60), wait(600)), (Some(5), Some(5), Some(15), Some(150)));
        assert_eq!(wait(3_400), Some(200), "the last look comes at the end and not long after");
        assert_eq!((wait(3_600), wait(86_400)), (None, None));
        let mut now = settle.since;
        let mut looks = 0;
        while let Some(next) = settle.next_look(now) {
            assert!(next > now);
            (now, looks) = (next, looks + 1);
        }
        assert!(looks < 40, "{looks} looks");
        assert_eq!(now, settle.since + settle.settle);
    }

    #[test]
    fn a_time_of_nothing_lets_the_first_look_decide() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(SettleTime { since: now, settle: Duration::zero() }.next_look(now), None);
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
