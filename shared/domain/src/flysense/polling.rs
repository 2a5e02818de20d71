//! Polling schedule of running recognitions.
//!
//! A minute of audio takes about ten seconds, so the first poll comes after a sixth of the audio's length, later ones
//! at growing intervals. Source: SpeechKit docs, asynchronous recognition (speed, deferred mode).

use chrono::{DateTime, Duration, Utc};

/// Intervals between polls. All of them are settings; these are the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollSchedule {
    /// Minimum delay before the first poll.
    pub first_at_least: Duration,
    /// The first poll comes after the audio's length divided by this; at least 1.
    pub audio_per_wait: i32,
    /// The interval after the first poll; each later one is 1.5 times as long.
    pub interval: Duration,
    /// Maximum interval.
    pub longest_interval: Duration,
    /// Time after the submission at which a recognition is given up.
    pub deadline: Duration,
}

impl Default for PollSchedule {
    /// For the general model: most calls are ready within a minute; SpeechKit promises "up to a day".
    fn default() -> Self {
        Self {
            first_at_least: Duration::seconds(5),
            audio_per_wait: 6,
            interval: Duration::seconds(10),
            longest_interval: Duration::seconds(60),
            deadline: Duration::hours(24),
        }
    }
}

/// Steps sufficient to grow from a second to a year; bounds the loop for any settings.
const MAX_POLL_STEPS: u32 = 64;

/// Next step for an unfinished recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPoll {
    /// Look (again) at this moment.
    At(DateTime<Utc>),
    /// The deadline has passed.
    GiveUp,
}

impl PollSchedule {
    /// For the deferred model, which is cheaper and slower: minutes instead of seconds, and a day with a margin.
    pub fn deferred() -> Self {
        Self {
            first_at_least: Duration::minutes(5),
            audio_per_wait: 6,
            interval: Duration::minutes(1),
            longest_interval: Duration::minutes(5),
            deadline: Duration::hours(26),
        }
    }

    /// Delay after poll number `looks` (0: after the submission).
    pub fn wait_after(&self, looks: u32, audio: Duration) -> Duration {
        if looks == 0 {
            return self.first_at_least.max(audio / self.audio_per_wait.max(1));
        }
        let mut wait = self.interval;
        for _ in 1..looks.min(MAX_POLL_STEPS) {
            if wait >= self.longest_interval {
                break;
            }
            wait += wait / 2;
        }
        wait.min(self.longest_interval)
    }

    /// When to look next at a recognition ordered at `ordered_at` that was looked at `looks` times, the last
    /// time `now`. The last look comes at the deadline itself, never after it.
    pub fn next_poll(
        &self,
        ordered_at: DateTime<Utc>,
        now: DateTime<Utc>,
        looks: u32,
        audio: Duration,
    ) -> NextPoll {
        let deadline = ordered_at + self.deadline;
        if now >= deadline {
            return NextPoll::GiveUp;
        }
        NextPoll::At((now + self.wait_after(looks, audio)).min(deadline))
    }

    /// As [`PollSchedule::next_poll`], for callers that do not count polls: the count is derived from the time since the
    /// submission. A late poll does not make the next one earlier.
    pub fn next_poll_after(
        &self,
        ordered_at: DateTime<Utc>,
        now: DateTime<Utc>,
        audio: Duration,
    ) -> NextPoll {
        let elapsed = now - ordered_at;
        let mut wait = self.wait_after(0, audio);
        let mut planned = wait;
        let mut looks = 0;
        while planned <= elapsed && wait < self.longest_interval && looks < MAX_POLL_STEPS {
            looks += 1;
            wait = self.wait_after(looks, audio);
            planned += wait;
        }
        self.next_poll(ordered_at, now, if elapsed <= Duration::zero() { 0 } else { looks.max(1) }, audio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(schedule: PollSchedule, audio_s: i64) -> Vec<f64> {
        (0..8).map(|looks| schedule.wait_after(looks, Duration::seconds(audio_s)).as_seconds_f64()).collect()
    }

    #[test]
    fn the_first_look_fits_the_length_and_later_ones_grow_to_a_minute() {
        assert_eq!(seconds(PollSchedule::default(), 12), [5.0, 10.0, 15.0, 22.5, 33.75, 50.625, 60.0, 60.0]);
        assert_eq!(seconds(PollSchedule::default(), 3_600)[..2], [600.0, 10.0]);
        assert_eq!(seconds(PollSchedule::deferred(), 60)[..4], [300.0, 60.0, 90.0, 135.0]);
    }

    #[test]
    fn the_last_look_is_at_the_deadline() {
        let schedule = PollSchedule::default();
        let ordered = DateTime::UNIX_EPOCH;
        let minute = Duration::minutes(1);
        let look = |after| schedule.next_poll(ordered, ordered + after, 20, minute);
        assert_eq!(look(Duration::hours(1)), NextPoll::At(ordered + Duration::hours(1) + minute));
        assert_eq!(
            look(Duration::hours(24) - Duration::seconds(1)),
            NextPoll::At(ordered + Duration::hours(24))
        );
        assert_eq!(look(Duration::hours(24)), NextPoll::GiveUp);
    }

    #[test]
    fn without_counting_the_intervals_grow_with_the_age_of_the_order() {
        let schedule = PollSchedule::default();
        let ordered = DateTime::UNIX_EPOCH;
        let wait = |age: i64| {
            let now = ordered + Duration::seconds(age);
            match schedule.next_poll_after(ordered, now, Duration::minutes(1)) {
                NextPoll::At(at) => (at - now).num_seconds(),
                NextPoll::GiveUp => -1,
            }
        };
        assert_eq!([wait(0), wait(10), wait(20), wait(3_600), wait(86_400)], [10, 10, 15, 60, -1]);
    }

    #[test]
    fn a_settings_mistake_neither_divides_by_zero_nor_loops_forever() {
        let schedule =
            PollSchedule { audio_per_wait: 0, interval: Duration::zero(), ..PollSchedule::default() };
        assert_eq!(schedule.wait_after(0, Duration::seconds(30)), Duration::seconds(30));
        assert_eq!(schedule.wait_after(u32::MAX, Duration::zero()), Duration::zero());
    }
}
