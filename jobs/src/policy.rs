//! How a kind of job is run: where, how often, how long.

use std::fmt;
use std::time::Duration;

/// Queues, each with workers of its own, so that slow work never stands before quick work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Tokens of amoCRM.
    Oauth,
    /// Codes that no state vouches for: anybody can send some, so they have workers of their own.
    OauthUnvouched,
    /// Events to vendors' backends.
    Lifecycle,
    /// Calls: amoCRM, downloads, storage, recognition.
    Calls,
    /// Calls: work of the processor.
    Audio,
    /// Money: the ledger of Flycoins, the bank, purchases, refunds.
    Billing,
    /// Housekeeping.
    Upkeep,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 7] = [
        Self::Oauth,
        Self::OauthUnvouched,
        Self::Lifecycle,
        Self::Calls,
        Self::Audio,
        Self::Billing,
        Self::Upkeep,
    ];

    /// Its name in MySQL, in Redis and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::OauthUnvouched => "oauth_unvouched",
            Self::Lifecycle => "lifecycle",
            Self::Calls => "calls",
            Self::Audio => "audio",
            Self::Billing => "billing",
            Self::Upkeep => "upkeep",
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Queue {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name).ok_or_else(|| {
            format!("`{name}` is not a queue; there are {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// What goes first within a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person waits.
    High = 0,
    /// Most work.
    Normal = 1,
    /// Whenever there is room.
    Low = 2,
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delays {
    /// One after the other; the last repeats. Exact, for schedules that were promised to somebody.
    Steps(&'static [Duration]),
    /// `first`, doubled each time up to `most`, and up to a quarter more at random so that failures
    /// of one moment do not come back as one.
    Doubling {
        /// After the first attempt.
        first: Duration,
        /// Never longer.
        most: Duration,
    },
}

impl Delays {
    /// How long to wait after attempt number `attempt` (from 1); `chance` in 0..1 spreads doubled delays.
    /// Never shorter than the nominal delay.
    pub fn after(&self, attempt: u32, chance: f64) -> Duration {
        let index = attempt.saturating_sub(1);
        match self {
            Self::Steps(steps) => {
                let last = steps.len().saturating_sub(1);
                steps.get((index as usize).min(last)).copied().unwrap_or_default()
            }
            Self::Doubling { first, most } => {
                let nominal = first.saturating_mul(1_u32.checked_shl(index).unwrap_or(u32::MAX)).min(*most);
                nominal.mul_f64(1.0 + 0.25 * chance.clamp(0.0, 1.0))
            }
        }
    }
}

/// How a kind of job is run.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Which workers take it.
    pub queue: Queue,
    /// What it overtakes there.
    pub priority: Priority,
    /// How often it may start, starts that killed their worker included.
    pub attempts: u32,
    /// How long to wait between attempts.
    pub delays: Delays,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Policy {
    /// Normal priority, 8 attempts after 2 s doubled up to 10 min, 60 s each.
    pub const fn on(queue: Queue) -> Self {
        Self {
            queue,
            priority: Priority::Normal,
            attempts: 8,
            delays: Delays::Doubling { first: Duration::from_secs(2), most: Duration::from_mins(10) },
            timeout: Duration::from_mins(1),
        }
    }

    /// With another priority.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// With another number of attempts.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// With other delays.
    #[must_use]
    pub const fn delays(mut self, delays: Delays) -> Self {
        self.delays = delays;
        self
    }

    /// With another time limit.
    #[must_use]
    pub const fn timeout_secs(mut self, secs: u64) -> Self {
        self.timeout = Duration::from_secs(secs);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_steps_are_exact_and_the_last_repeats() {
        const STEPS: Delays =
            Delays::Steps(&[Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(5)]);
        let waits: Vec<u64> = (1..=5).map(|attempt| STEPS.after(attempt, 0.9).as_secs()).collect();
        assert_eq!(waits, [10, 60, 300, 300, 300]);
    }

    #[test]
    fn doubled_delays_grow_are_spread_and_never_early() {
        let delays = Delays::Doubling { first: Duration::from_secs(2), most: Duration::from_mins(1) };
        for attempt in 1..=80 {
            let nominal = delays.after(attempt, 0.0);
            let spread = delays.after(attempt, 1.0);
            assert!(nominal <= spread && spread <= nominal.mul_f64(1.25), "attempt {attempt}");
            assert!(nominal <= Duration::from_mins(1));
        }
        assert_eq!(delays.after(3, 0.0), Duration::from_secs(8));
    }
}
