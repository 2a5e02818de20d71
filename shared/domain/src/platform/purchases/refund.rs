//! Refunds of purchases: the refundable amount and the coins withdrawn for it.
//!
//! Only unspent purchased coins can be refunded in money. The unspent bonus of the package is withdrawn in proportion:
//! refunding the last rouble withdraws its last coin.

use crate::money::{Kopecks, MicroCoins, OutOfRange};
use crate::platform::tbank::PaymentStatus;

/// State of a purchase that determines what can be refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refundable {
    /// Price paid.
    pub price: Kopecks,
    /// Money refunded or being refunded.
    pub refunded: Kopecks,
    /// Purchased coins.
    pub coins: MicroCoins,
    /// Unspent purchased coins; coins in open holds are not included.
    pub coins_left: MicroCoins,
    /// Bonus coins of the package.
    pub bonus: MicroCoins,
    /// Unspent bonus coins.
    pub bonus_left: MicroCoins,
}

/// Money to refund and coins to withdraw for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundAllocation {
    /// Money to refund.
    pub kopecks: Kopecks,
    /// Purchased coins to withdraw.
    pub coins: MicroCoins,
    /// Bonus coins to withdraw.
    pub bonus: MicroCoins,
    /// Whether the whole purchase is refunded at once: T-Bank then requires no receipt items.
    pub is_whole: bool,
}

/// Why nothing is refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrefundable {
    /// Nothing is left to refund.
    #[error("every coin of the purchase is spent, held or already refunded")]
    NothingLeft,
    /// The requested amount exceeds the value of the unspent coins.
    #[error("at most {0} roubles can be refunded: the rest is spent, held or already refunded")]
    MoreThanLeft(Kopecks),
    /// Amounts are above zero.
    #[error("an amount must be above zero")]
    NotPositive,
    /// An amount overflows.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Refundable {
    /// The maximum refund: the unspent coins' share of the price, rounded down to the kopeck.
    pub fn max_refundable(&self) -> Result<Kopecks, OutOfRange> {
        let worth = self.price.prorate_floor(self.coins_left.0, self.coins.0)?;
        Ok(worth.min(self.price.checked_sub(self.refunded)?))
    }

    /// The coins to withdraw for `wanted`, or for the maximum refund if `None`.
    pub fn allocate(&self, wanted: Option<Kopecks>) -> Result<RefundAllocation, Unrefundable> {
        let most = self.max_refundable()?;
        if wanted.is_some_and(|wanted| !wanted.is_positive()) {
            return Err(Unrefundable::NotPositive);
        }
        if !most.is_positive() {
            return Err(Unrefundable::NothingLeft);
        }
        let kopecks = wanted.unwrap_or(most);
        if kopecks > most {
            return Err(Unrefundable::MoreThanLeft(most));
        }
        let last = kopecks == most;
        let coins = if last && kopecks == self.price.checked_sub(self.refunded)? {
            self.coins_left
        } else {
            prorate_ceil(self.coins, kopecks, self.price)?.min(self.coins_left)
        };
        let all_money = self.refunded.checked_add(kopecks)? == self.price;
        let bonus = if all_money { self.bonus_left } else { prorate_ceil(self.bonus, kopecks, self.price)? };
        Ok(RefundAllocation {
            kopecks,
            coins,
            bonus: bonus.min(self.bonus_left),
            is_whole: kopecks == self.price,
        })
    }
}

/// A refund whose response from the bank was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundAttempt {
    /// Price paid.
    pub price: Kopecks,
    /// Total that should be refunded now, this refund included.
    pub refunded: Kopecks,
    /// Amount of this refund.
    pub kopecks: Kopecks,
}

/// Outcome of a refund, as far as the payment's status shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// T-Bank shows that the money went back.
    Happened,
    /// The bank is processing the refund.
    OnItsWay,
    /// No money of this refund was returned.
    NotHappened,
    /// The status does not determine the outcome.
    Unclear,
}

impl RefundStatus {
    /// Whether a request whose response was lost may be sent again. For a card, the bank knows a repeated request by its id. For SBP
    /// it does not, so a second one could refund twice unless the first is known to have returned nothing.
    pub const fn may_be_repeated(self, by_card: bool) -> bool {
        match self {
            Self::NotHappened => true,
            Self::Unclear => by_card,
            Self::Happened | Self::OnItsWay => false,
        }
    }
}

impl RefundAttempt {
    /// The outcome, from the payment's status and its remaining amount.
    pub fn status(&self, status: &PaymentStatus, left: Option<Kopecks>) -> RefundStatus {
        match status {
            _ if self.has_happened(status, left) => RefundStatus::Happened,
            PaymentStatus::Refunding | PaymentStatus::AsyncRefunding | PaymentStatus::CancelChecking => {
                RefundStatus::OnItsWay
            }
            PaymentStatus::Confirmed if left.is_none_or(|left| self.not_yet_deducted(left)) => {
                RefundStatus::NotHappened
            }
            PaymentStatus::PartialRefunded
                if left.is_some_and(|left| left != self.price && self.not_yet_deducted(left)) =>
            {
                RefundStatus::NotHappened
            }
            _ => RefundStatus::Unclear,
        }
    }

    /// Whether the remaining amount is at least what it was before this refund.
    fn not_yet_deducted(&self, left: Kopecks) -> bool {
        match (left.checked_add(self.refunded), self.price.checked_add(self.kopecks)) {
            (Ok(all), Ok(before)) => all >= before,
            _ => false,
        }
    }

    /// Whether the refund happened, from the payment's status and its remaining amount.
    ///
    /// It has not happened while more remains than would remain after it. Refunds made in T-Bank's portal in the
    /// meantime count as this one, so that a buyer never gets more than was requested. The full price together with
    /// `PARTIAL_REFUNDED` is the amount of `Init` and therefore no information: only a first refund is then certain.
    fn has_happened(&self, status: &PaymentStatus, left: Option<Kopecks>) -> bool {
        match status {
            PaymentStatus::Refunded => true,
            PaymentStatus::PartialRefunded => match left.filter(|left| *left != self.price) {
                Some(left) => left.checked_add(self.refunded).is_ok_and(|all| all <= self.price),
                None => self.refunded == self.kopecks,
            },
            _ => false,
        }
    }
}

/// The proportion `part / whole` of `amount`, rounded up to the next micro-Flycoin, so that a refund leaves no
/// refunded coins in the wallet.
fn prorate_ceil(amount: MicroCoins, part: Kopecks, whole: Kopecks) -> Result<MicroCoins, OutOfRange> {
    let down = amount.prorate_floor(part.0, whole.0)?;
    let exact = i128::from(down.0) * i128::from(whole.0) == i128::from(amount.0) * i128::from(part.0);
    if exact { Ok(down) } else { down.checked_add(MicroCoins(1)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn untouched() -> Refundable {
        Refundable {
            price: Kopecks(50_000),
            refunded: Kopecks::ZERO,
            coins: MicroCoins(500_000_000),
            coins_left: MicroCoins(500_000_000),
            bonus: MicroCoins(50_000_000),
            bonus_left: MicroCoins(50_000_000),
        }
    }

    #[test]
    fn an_untouched_purchase_goes_back_whole_and_its_bonus_with_it() {
        let all = untouched().allocate(None).unwrap();
        let wanted = RefundAllocation {
            kopecks: Kopecks(50_000),
            coins: MicroCoins(500_000_000),
            bonus: MicroCoins(50_000_000),
            is_whole: true,
        };
        assert_eq!(all, wanted);
    }

    #[test]
    fn a_part_takes_its_share_of_coins_and_bonus() {
        let part = untouched().allocate(Some(Kopecks(10_000))).unwrap();
        assert_eq!((part.coins, part.bonus), (MicroCoins(100_000_000), MicroCoins(10_000_000)));
        assert!(!part.is_whole);
        let rest = Refundable {
            refunded: part.kopecks,
            coins_left: MicroCoins(400_000_000),
            bonus_left: MicroCoins(40_000_000),
            ..untouched()
        };
        let rest = rest.allocate(None).unwrap();
        assert_eq!((rest.kopecks, rest.bonus), (Kopecks(40_000), MicroCoins(40_000_000)));
        assert!(!rest.is_whole, "a partial refund requires receipt items");
    }

    #[test]
    fn what_is_spent_is_not_given_back() {
        let spent =
            Refundable { coins_left: MicroCoins(123_456_789), bonus_left: MicroCoins::ZERO, ..untouched() };
        assert_eq!(spent.max_refundable(), Ok(Kopecks(12_345)));
        assert_eq!(spent.allocate(Some(Kopecks(12_346))), Err(Unrefundable::MoreThanLeft(Kopecks(12_345))));
        assert_eq!(spent.allocate(Some(Kopecks(0))), Err(Unrefundable::NotPositive));
        let share = spent.allocate(None).unwrap();
        assert_eq!((share.coins, share.bonus), (MicroCoins(123_450_000), MicroCoins::ZERO));
        let none = Refundable { coins_left: MicroCoins(9_999), ..untouched() };
        assert_eq!(none.allocate(None), Err(Unrefundable::NothingLeft));
    }

    /// A refund of a purchase of 500 roubles.
    fn asked(refunded: i64, kopecks: i64) -> RefundAttempt {
        RefundAttempt { price: Kopecks(50_000), refunded: Kopecks(refunded), kopecks: Kopecks(kopecks) }
    }

    #[test]
    fn what_is_left_of_a_payment_tells_whether_a_refund_happened() {
        let (first, second) = (asked(10_000, 10_000), asked(30_000, 20_000));
        for (refund, status, left, wanted) in [
            (first, "CONFIRMED", Some(50_000), false),
            (first, "PARTIAL_REFUNDED", Some(40_000), true),
            (first, "PARTIAL_REFUNDED", None, true),
            (first, "PARTIAL_REFUNDED", Some(50_000), true),
            // Refunds in T-Bank's portal: of less, of more, or of this amount in addition.
            (first, "PARTIAL_REFUNDED", Some(45_000), false),
            (first, "PARTIAL_REFUNDED", Some(35_000), true),
            (second, "PARTIAL_REFUNDED", Some(40_000), false),
            (second, "PARTIAL_REFUNDED", Some(20_000), true),
            (second, "PARTIAL_REFUNDED", None, false),
            (second, "PARTIAL_REFUNDED", Some(50_000), false),
            (second, "REFUNDED", Some(0), true),
            (second, "REFUNDED", None, true),
            (second, "REFUNDING", Some(20_000), false),
        ] {
            let happened = refund.has_happened(&PaymentStatus::from(status.to_owned()), left.map(Kopecks));
            assert_eq!(happened, wanted, "{refund:?}, {status} of {left:?}");
        }
    }

    /// A rejection by the bank counts only if the payment's status shows that the money was not returned.
    #[test]
    fn a_refund_has_failed_only_if_its_money_is_there() {
        let (first, second) = (asked(10_000, 10_000), asked(30_000, 20_000));
        for (refund, status, left, wanted) in [
            (first, "CONFIRMED", Some(50_000), RefundStatus::NotHappened),
            (first, "CONFIRMED", None, RefundStatus::NotHappened),
            (first, "CONFIRMED", Some(40_000), RefundStatus::Unclear),
            (first, "PARTIAL_REFUNDED", Some(40_000), RefundStatus::Happened),
            (first, "PARTIAL_REFUNDED", Some(45_000), RefundStatus::Unclear),
            (second, "PARTIAL_REFUNDED", Some(40_000), RefundStatus::NotHappened),
            (second, "PARTIAL_REFUNDED", Some(20_000), RefundStatus::Happened),
            (second, "PARTIAL_REFUNDED", Some(50_000), RefundStatus::Unclear),
            (second, "PARTIAL_REFUNDED", None, RefundStatus::Unclear),
            (second, "REFUNDING", Some(40_000), RefundStatus::OnItsWay),
            (second, "ASYNC_REFUNDING", None, RefundStatus::OnItsWay),
            (second, "REFUNDED", None, RefundStatus::Happened),
            (second, "REJECTED", Some(40_000), RefundStatus::Unclear),
        ] {
            let fate = refund.status(&PaymentStatus::from(status.to_owned()), left.map(Kopecks));
            assert_eq!(fate, wanted, "{refund:?}, {status} of {left:?}");
        }
    }

    /// `PARTIAL_REFUNDED` with the amount of `Init` does not tell whether the second refund happened.
    #[test]
    fn an_unclear_refund_is_repeated_only_where_the_bank_knows_its_id() {
        let second = asked(30_000, 20_000);
        let status = |left| second.status(&PaymentStatus::PartialRefunded, Some(Kopecks(left)));
        for (left, by_card, by_sbp) in [(50_000, true, false), (40_000, true, true), (20_000, false, false)] {
            let repeated = (status(left).may_be_repeated(true), status(left).may_be_repeated(false));
            assert_eq!(repeated, (by_card, by_sbp), "{left}");
        }
    }

    proptest! {
        /// For any spending and refunds: never more money than was paid, never more coins than are left, and no money
        /// for coins that stay in the wallet.
        #[test]
        fn money_goes_back_only_for_coins_that_go(
            price in 100_i64..1_000_000, coins in 1_i64..10_000_000_000, left in 0_i64..10_000_000_000,
            refunded in 0_i64..1_000_000, wanted in proptest::option::of(1_i64..1_000_000),
        ) {
            let purchase = Refundable {
                price: Kopecks(price),
                refunded: Kopecks(refunded.min(price)),
                coins: MicroCoins(coins),
                coins_left: MicroCoins(left.min(coins)),
                bonus: MicroCoins(coins / 10),
                bonus_left: MicroCoins(left.min(coins / 10)),
            };
            if let Ok(share) = purchase.allocate(wanted.map(Kopecks)) {
                prop_assert!(share.kopecks.0 + purchase.refunded.0 <= price);
                prop_assert!(share.coins.is_positive() && share.coins <= purchase.coins_left);
                prop_assert!(share.bonus >= MicroCoins::ZERO && share.bonus <= purchase.bonus_left);
                prop_assert!(i128::from(share.coins.0) * i128::from(price) >= i128::from(share.kopecks.0) * i128::from(coins));
            }
        }
    }
}
