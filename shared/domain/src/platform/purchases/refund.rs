//! What of a purchase can be given back, and which coins go for it.
//!
//! Only bought coins that were not spent are worth money. The bonus of the package goes in proportion, as far
//! as it is unspent: with the last rouble the last coin of it.

use crate::money::{Kopecks, MicroCoins, OutOfRange};
use crate::platform::tbank::PaymentStatus;

/// A purchase as far as refunds are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refundable {
    /// What was paid.
    pub price: Kopecks,
    /// What was given back, or is on its way.
    pub refunded: Kopecks,
    /// The coins that were bought.
    pub coins: MicroCoins,
    /// Those of them that can be spent; coins in open holds cannot.
    pub coins_left: MicroCoins,
    /// The bonus that came with them.
    pub bonus: MicroCoins,
    /// What of it can be spent.
    pub bonus_left: MicroCoins,
}

/// Which coins go for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// What is given back.
    pub kopecks: Kopecks,
    /// Bought coins that go.
    pub coins: MicroCoins,
    /// Given coins that go.
    pub bonus: MicroCoins,
    /// It is the whole purchase at once: the bank wants no receipt lines then.
    pub is_whole: bool,
}

/// Why nothing is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrefundable {
    /// Nothing is left to give back.
    #[error("every coin of the purchase is spent, set aside or given back")]
    NothingLeft,
    /// More was asked for than the unspent coins are worth.
    #[error("at most {0} roubles can be given back: the rest is spent, set aside or given back already")]
    MoreThanLeft(Kopecks),
    /// Amounts are above zero.
    #[error("an amount must be above zero")]
    NotPositive,
    /// An amount is beyond what can be counted.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Refundable {
    /// What can be given back at most: the unspent coins' share of the price, down to the kopeck.
    pub fn most(&self) -> Result<Kopecks, OutOfRange> {
        let worth = self.price.share_down(self.coins_left.0, self.coins.0)?;
        Ok(worth.min(self.price.minus(self.refunded)?))
    }

    /// Which coins go for `wanted`, or for all that can be given back.
    pub fn share(&self, wanted: Option<Kopecks>) -> Result<Share, Unrefundable> {
        let most = self.most()?;
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
        let coins = if last && kopecks == self.price.minus(self.refunded)? {
            self.coins_left
        } else {
            share_up(self.coins, kopecks, self.price)?.min(self.coins_left)
        };
        let all_money = self.refunded.plus(kopecks)? == self.price;
        let bonus = if all_money { self.bonus_left } else { share_up(self.bonus, kopecks, self.price)? };
        Ok(Share { kopecks, coins, bonus: bonus.min(self.bonus_left), is_whole: kopecks == self.price })
    }
}

/// A refund the bank was asked for, and whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What was paid.
    pub price: Kopecks,
    /// What should have been given back by now, this refund included.
    pub refunded: Kopecks,
    /// What this refund gives back.
    pub kopecks: Kopecks,
}

/// What became of a refund, as far as its payment tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The money went back.
    Happened,
    /// The bank is giving it back.
    OnItsWay,
    /// The money is all there.
    NotHappened,
    /// The payment does not tell.
    Unclear,
}

impl Asked {
    /// What became of it, by how its payment stands and what is left of it.
    pub fn fate(&self, status: &PaymentStatus, left: Option<Kopecks>) -> Fate {
        match status {
            _ if self.has_happened(status, left) => Fate::Happened,
            PaymentStatus::Refunding | PaymentStatus::AsyncRefunding | PaymentStatus::CancelChecking => {
                Fate::OnItsWay
            }
            PaymentStatus::Confirmed if left.is_none_or(|left| self.is_there(left)) => Fate::NotHappened,
            PaymentStatus::PartialRefunded
                if left.is_some_and(|left| left != self.price && self.is_there(left)) =>
            {
                Fate::NotHappened
            }
            _ => Fate::Unclear,
        }
    }

    /// As much is left as there was before it.
    fn is_there(&self, left: Kopecks) -> bool {
        match (left.plus(self.refunded), self.price.plus(self.kopecks)) {
            (Ok(all), Ok(before)) => all >= before,
            _ => false,
        }
    }

    /// Whether it has happened, by how its payment stands and what is left of it.
    ///
    /// As long as more is left than there would be after it, it has not; whatever else was given back in the bank's
    /// cabinet meanwhile, a buyer never gets more than was asked for. The whole price beside `PARTIAL_REFUNDED` is
    /// the amount of `Init`, which tells nothing: then only the first refund that went through is surely this one.
    fn has_happened(&self, status: &PaymentStatus, left: Option<Kopecks>) -> bool {
        match status {
            PaymentStatus::Refunded => true,
            PaymentStatus::PartialRefunded => match left.filter(|left| *left != self.price) {
                Some(left) => left.plus(self.refunded).is_ok_and(|all| all <= self.price),
                None => self.refunded == self.kopecks,
            },
            _ => false,
        }
    }
}

/// The share of `amount` that `part` is of `whole`, up to the next millionth: a refund never leaves coins
/// behind that were paid back.
fn share_up(amount: MicroCoins, part: Kopecks, whole: Kopecks) -> Result<MicroCoins, OutOfRange> {
    let down = amount.share_down(part.0, whole.0)?;
    let exact = i128::from(down.0) * i128::from(whole.0) == i128::from(amount.0) * i128::from(part.0);
    if exact { Ok(down) } else { down.plus(MicroCoins(1)) }
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
        let all = untouched().share(None).unwrap();
        let wanted = Share {
            kopecks: Kopecks(50_000),
            coins: MicroCoins(500_000_000),
            bonus: MicroCoins(50_000_000),
            is_whole: true,
        };
        assert_eq!(all, wanted);
    }

    #[test]
    fn a_part_takes_its_share_of_coins_and_bonus() {
        let part = untouched().share(Some(Kopecks(10_000))).unwrap();
        assert_eq!((part.coins, part.bonus), (MicroCoins(100_000_000), MicroCoins(10_000_000)));
        assert!(!part.is_whole);
        let rest = Refundable {
            refunded: part.kopecks,
            coins_left: MicroCoins(400_000_000),
            bonus_left: MicroCoins(40_000_000),
            ..untouched()
        };
        let rest = rest.share(None).unwrap();
        assert_eq!((rest.kopecks, rest.bonus), (Kopecks(40_000), MicroCoins(40_000_000)));
        assert!(!rest.is_whole, "lines are told of what is left of a purchase");
    }

    #[test]
    fn what_is_spent_is_not_given_back() {
        let spent =
            Refundable { coins_left: MicroCoins(123_456_789), bonus_left: MicroCoins::ZERO, ..untouched() };
        assert_eq!(spent.most(), Ok(Kopecks(12_345)));
        assert_eq!(spent.share(Some(Kopecks(12_346))), Err(Unrefundable::MoreThanLeft(Kopecks(12_345))));
        assert_eq!(spent.share(Some(Kopecks(0))), Err(Unrefundable::NotPositive));
        let share = spent.share(None).unwrap();
        assert_eq!((share.coins, share.bonus), (MicroCoins(123_450_000), MicroCoins::ZERO));
        let none = Refundable { coins_left: MicroCoins(9_999), ..untouched() };
        assert_eq!(none.share(None), Err(Unrefundable::NothingLeft));
    }

    /// Of 500 roubles.
    fn asked(refunded: i64, kopecks: i64) -> Asked {
        Asked { price: Kopecks(50_000), refunded: Kopecks(refunded), kopecks: Kopecks(kopecks) }
    }

    #[test]
    fn what_is_left_of_a_payment_tells_whether_a_refund_happened() {
        let (first, second) = (asked(10_000, 10_000), asked(30_000, 20_000));
        for (refund, status, left, wanted) in [
            (first, "CONFIRMED", Some(50_000), false),
            (first, "PARTIAL_REFUNDED", Some(40_000), true),
            (first, "PARTIAL_REFUNDED", None, true),
            (first, "PARTIAL_REFUNDED", Some(50_000), true),
            // In the cabinet somebody gave back less than this, more, or this much besides.
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

    /// A no of the bank counts only while the money is seen to be there.
    #[test]
    fn a_refund_has_failed_only_if_its_money_is_there() {
        let (first, second) = (asked(10_000, 10_000), asked(30_000, 20_000));
        for (refund, status, left, wanted) in [
            (first, "CONFIRMED", Some(50_000), Fate::NotHappened),
            (first, "CONFIRMED", None, Fate::NotHappened),
            (first, "CONFIRMED", Some(40_000), Fate::Unclear),
            (first, "PARTIAL_REFUNDED", Some(40_000), Fate::Happened),
            (first, "PARTIAL_REFUNDED", Some(45_000), Fate::Unclear),
            (second, "PARTIAL_REFUNDED", Some(40_000), Fate::NotHappened),
            (second, "PARTIAL_REFUNDED", Some(20_000), Fate::Happened),
            (second, "PARTIAL_REFUNDED", Some(50_000), Fate::Unclear),
            (second, "PARTIAL_REFUNDED", None, Fate::Unclear),
            (second, "REFUNDING", Some(40_000), Fate::OnItsWay),
            (second, "ASYNC_REFUNDING", None, Fate::OnItsWay),
            (second, "REFUNDED", None, Fate::Happened),
            (second, "REJECTED", Some(40_000), Fate::Unclear),
        ] {
            let fate = refund.fate(&PaymentStatus::from(status.to_owned()), left.map(Kopecks));
            assert_eq!(fate, wanted, "{refund:?}, {status} of {left:?}");
        }
    }

    proptest! {
        /// However a purchase is spent and given back: never more money than was paid, never coins that are
        /// not there, and never money for coins that stay.
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
            if let Ok(share) = purchase.share(wanted.map(Kopecks)) {
                prop_assert!(share.kopecks.0 + purchase.refunded.0 <= price);
                prop_assert!(share.coins.is_positive() && share.coins <= purchase.coins_left);
                prop_assert!(share.bonus >= MicroCoins::ZERO && share.bonus <= purchase.bonus_left);
                prop_assert!(i128::from(share.coins.0) * i128::from(price) >= i128::from(share.kopecks.0) * i128::from(coins));
            }
        }
    }
}
