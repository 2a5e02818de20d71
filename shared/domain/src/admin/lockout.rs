//! Lock-out after failed attempts to sign in, per account and per address.
//!
//! An attempt is counted before it is checked, so that simultaneous guesses are bounded too. The second factor shares the
//! counter with the password: a right password does not reset it, only a complete sign-in does.

use chrono::{DateTime, TimeDelta, Utc};

/// Attempts per account within [`ATTEMPT_WINDOW`]. A complete sign-in takes two.
pub const ACCOUNT_ATTEMPTS: u32 = 10;
/// Attempts per address within [`ATTEMPT_WINDOW`]. Several operators may share an address.
pub const ADDRESS_ATTEMPTS: u32 = 40;
/// Period in which attempts are counted together.
pub const ATTEMPT_WINDOW: TimeDelta = TimeDelta::minutes(15);
/// Duration of a lock-out.
pub const LOCK_DURATION: TimeDelta = TimeDelta::minutes(15);

/// Counted attempts of an account or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginAttempts {
    /// Attempts since `first_at`.
    pub attempts: u32,
    /// First attempt of the window.
    pub first_at: DateTime<Utc>,
    /// End of the lock-out.
    pub locked_until: Option<DateTime<Utc>>,
}

impl LoginAttempts {
    /// No attempts so far.
    pub const fn none(now: DateTime<Utc>) -> Self {
        Self { attempts: 0, first_at: now, locked_until: None }
    }

    /// End of the lock-out that is in force at `now`.
    pub fn locked_at(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.locked_until.filter(|until| *until > now)
    }

    /// Counts an attempt at `now` if it is admitted. The attempt that reaches `limit` is admitted and begins a lock-out.
    ///
    /// # Errors
    ///
    /// The end of the lock-out, if one is in force.
    pub fn admit(self, now: DateTime<Utc>, limit: u32) -> Result<Self, DateTime<Utc>> {
        if let Some(until) = self.locked_at(now) {
            return Err(until);
        }
        let is_over = self.locked_until.is_some() || now - self.first_at >= ATTEMPT_WINDOW;
        let base = if is_over { Self::none(now) } else { self };
        let attempts = base.attempts.saturating_add(1);
        let locked_until = (attempts >= limit).then(|| now + LOCK_DURATION);
        Ok(Self { attempts, locked_until, ..base })
    }

    /// Takes back an attempt that was right.
    #[must_use]
    pub fn refund(self) -> Self {
        Self { attempts: self.attempts.saturating_sub(1), locked_until: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    #[test]
    fn the_last_attempt_locks_and_the_lock_ends() {
        let mut attempts = LoginAttempts::none(start());
        for _ in 0..ACCOUNT_ATTEMPTS {
            attempts = attempts.admit(start(), ACCOUNT_ATTEMPTS).unwrap();
        }
        let until = start() + LOCK_DURATION;
        assert_eq!(attempts.admit(until - TimeDelta::seconds(1), ACCOUNT_ATTEMPTS), Err(until));
        assert_eq!(attempts.locked_at(until - TimeDelta::seconds(1)), Some(until));
        assert_eq!(attempts.locked_at(until), None);
        assert_eq!(attempts.admit(until, ACCOUNT_ATTEMPTS).unwrap().attempts, 1);
    }

    #[test]
    fn old_attempts_do_not_count() {
        let one = LoginAttempts::none(start()).admit(start(), 3).unwrap();
        let two = one.admit(start() + ATTEMPT_WINDOW, 3).unwrap();
        assert_eq!((two.attempts, two.locked_until), (1, None));
    }

    #[test]
    fn a_right_attempt_is_taken_back_with_its_lock() {
        let last = LoginAttempts { attempts: 2, first_at: start(), locked_until: None };
        let locked = last.admit(start(), 3).unwrap();
        assert!(locked.locked_until.is_some());
        assert_eq!(locked.refund(), last);
    }
}
