//! Reminders before trials end and cards are charged.
//!
//! A reminder before every charge is not required by law 376-FZ, but expected by acquirers; it is always sent.

use super::calendar::PeriodLength;

/// Days before the end of a trial on which the account is reminded, descending.
pub const TRIAL_REMINDER_DAYS: &[u32] = &[3, 1];

/// Days before a charge on which the account is reminded, descending.
pub const fn charge_reminder_days(length: PeriodLength) -> &'static [u32] {
    match length {
        PeriodLength::Month => &[3],
        PeriodLength::Quarter | PeriodLength::HalfYear | PeriodLength::Year => &[7, 1],
    }
}
