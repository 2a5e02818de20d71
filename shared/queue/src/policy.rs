//! Policy of a kind: queue, priority, attempts, backoff, time limit.

use std::time::Duration;

use crate::queue_name::QueueName;

/// Priority within a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person is waiting.
    High = 0,
    /// The default.
    Normal = 1,
    /// After all others.
    Low = 2,
}

/// Delays between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// These delays in order; the last one repeats. Exact, for documented schedules.
    Fixed(&'static [Duration]),
    /// `first`, doubled each time up to `max`, plus up to 25 % jitter so that simultaneous failures are not retried together.
    Exponential {
        /// Delay after the first attempt.
        first: Duration,
        /// Maximum delay before jitter.
        max: Duration,
    },
}

impl Backoff {
    /// Delay after attempt number `attempt` (from 1). `jitter` is in 0..1 and applies to exponential delays only. Never
    /// shorter than the nominal delay.
    pub fn delay_after(&self, attempt: u32, jitter: f64) -> Duration {
        let index = attempt.saturating_sub(1);
        match self {
            Self::Fixed(steps) => {
                let last = steps.len().saturating_sub(1);
                steps.get((index as usize).min(last)).copied().unwrap_or_default()
            }
            Self::Exponential { first, max } => {
                let nominal = first.saturating_mul(1_u32.checked_shl(index).unwrap_or(u32::MAX)).min(*max);
                nominal.mul_f64(1.0 + 0.25 * jitter.clamp(0.0, 1.0))
            }
        }
    }
}

/// How jobs of a kind are queued, repeated and timed.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Queue of the jobs.
    pub queue: QueueName,
    /// Priority within the queue.
    pub priority: Priority,
    /// Maximum number of attempts, including those that killed their worker.
    pub attempts: u32,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// Time limit of one attempt.
    pub timeout: Duration,
}

impl Policy {
    /// Defaults: normal priority, 8 attempts, delays of 2 s doubled up to 10 min, time limit 60 s.
    pub const fn for_queue(queue: QueueName) -> Self {
        Self {
            queue,
            priority: Priority::Normal,
            attempts: 8,
            backoff: Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(10) },
            timeout: Duration::from_mins(1),
        }
    }

    /// Sets the priority.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the number of attempts.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the backoff.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the time limit, s.
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
        const STEPS: Backoff =
            Backoff::Fixed(&[Duration::from_secs(10), Duration::from_mins(1), Duration::from_mins(5)]);
        let waits: Vec<u64> = (1..=5).map(|attempt| STEPS.delay_after(attempt, 0.9).as_secs()).collect();
        assert_eq!(waits, [10, 60, 300, 300, 300]);
    }

    #[test]
    fn doubled_delays_grow_are_spread_and_never_early() {
        let backoff = Backoff::Exponential { first: Duration::from_secs(2), max: Duration::from_mins(1) };
        for attempt in 1..=80 {
            let nominal = backoff.delay_after(attempt, 0.0);
            let spread = backoff.delay_after(attempt, 1.0);
            assert!(nominal <= spread && spread <= nominal.mul_f64(1.25), "attempt {attempt}");
            assert!(nominal <= Duration::from_mins(1));
        }
        assert_eq!(backoff.delay_after(3, 0.0), Duration::from_secs(8));
    }
}
