//! Limits above which an act with money needs a second operator.

use chrono::TimeDelta;

use crate::money::{Kopecks, MicroCoins};

/// Largest compensation that one operator may credit alone.
pub const ALONE_COMPENSATION: MicroCoins = MicroCoins(10_000 * MicroCoins::PER_UNIT);
/// Largest refund that one operator may request alone.
pub const ALONE_REFUND: Kopecks = Kopecks(10_000 * Kopecks::PER_UNIT);

/// Largest amount of a firm's transfer about which one operator may decide alone.
pub const ALONE_TRANSFER: Kopecks = Kopecks(10_000 * Kopecks::PER_UNIT);

/// Largest invoice that one operator may mark as paid alone: access is given for money that Flysk has not seen.
pub const ALONE_MARK: Kopecks = Kopecks(10_000 * Kopecks::PER_UNIT);

/// Most bonus days that one operator may grant a subscription alone within [`BONUS_WINDOW`].
pub const ALONE_BONUS_DAYS: u32 = 31;
/// Time in which the bonus days of a subscription are added up.
pub const BONUS_WINDOW: TimeDelta = TimeDelta::days(31);

/// Whether a compensation of this amount needs a second operator.
pub fn compensation_needs_second(amount: MicroCoins) -> bool {
    amount > ALONE_COMPENSATION
}

/// Whether a refund of this amount needs a second operator.
pub fn refund_needs_second(amount: Kopecks) -> bool {
    amount > ALONE_REFUND
}

/// Whether a decision about this amount of a firm's money needs a second operator.
pub fn transfer_needs_second(amount: Kopecks) -> bool {
    amount > ALONE_TRANSFER
}

/// Whether marking an invoice of this amount as paid needs a second operator.
pub fn mark_needs_second(amount: Kopecks) -> bool {
    amount > ALONE_MARK
}

/// Whether this number of bonus days within [`BONUS_WINDOW`] needs a second operator.
pub const fn bonus_needs_second(days: u32) -> bool {
    days > ALONE_BONUS_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_alone() {
        assert!(!compensation_needs_second(ALONE_COMPENSATION) && !refund_needs_second(ALONE_REFUND));
        assert!(compensation_needs_second(MicroCoins(ALONE_COMPENSATION.0 + 1)));
        assert!(refund_needs_second(Kopecks(ALONE_REFUND.0 + 1)));
        assert!(
            !transfer_needs_second(ALONE_TRANSFER) && transfer_needs_second(Kopecks(ALONE_TRANSFER.0 + 1))
        );
        assert!(!mark_needs_second(ALONE_MARK) && mark_needs_second(Kopecks(ALONE_MARK.0 + 1)));
        assert!(!bonus_needs_second(ALONE_BONUS_DAYS) && bonus_needs_second(ALONE_BONUS_DAYS + 1));
    }
}
