//! Refunds of invoices by operators.

use chrono::NaiveDate;

use super::calendar::Period;
use crate::money::{Kopecks, OutOfRange};

/// Facts that decide how much of an invoice can be refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundableInvoice {
    /// Amount paid.
    pub paid: Kopecks,
    /// Amount refunded or being refunded.
    pub refunded: Kopecks,
    /// Days that it pays.
    pub period: Period,
}

/// Why an amount is not refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRefund {
    /// Amounts are above zero.
    #[error("an amount must be above zero")]
    NotPositive,
    /// All that was paid has been refunded.
    #[error("the invoice is already refunded")]
    NothingLeft,
    /// The amount is greater than the rest, which the variant carries.
    #[error("at most {0} roubles can be refunded")]
    MoreThanLeft(Kopecks),
    /// An amount overflows.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl RefundableInvoice {
    /// Rest of the payment after all refunds.
    pub fn left(&self) -> Result<Kopecks, OutOfRange> {
        Ok(self.paid.checked_sub(self.refunded)?.max(Kopecks::ZERO))
    }

    /// The fair share: the unused days' part of the payment, today included, rounded half up, and never more than what
    /// is left.
    pub fn fair_share(&self, today: NaiveDate) -> Result<Kopecks, OutOfRange> {
        let unused = self.paid.prorate_half_up(self.period.days_left(today), self.period.days())?;
        Ok(unused.checked_sub(self.refunded)?.clamp(Kopecks::ZERO, self.left()?))
    }

    /// Checks an amount; `None` stands for all that is left. Returns it, and whether the whole payment is refunded at
    /// once, for which T-Bank accepts no receipt.
    pub fn check(&self, wanted: Option<Kopecks>) -> Result<(Kopecks, bool), InvalidRefund> {
        let left = self.left()?;
        if wanted.is_some_and(|wanted| !wanted.is_positive()) {
            return Err(InvalidRefund::NotPositive);
        }
        if !left.is_positive() {
            return Err(InvalidRefund::NothingLeft);
        }
        let amount = wanted.unwrap_or(left);
        if amount > left {
            return Err(InvalidRefund::MoreThanLeft(left));
        }
        Ok((amount, amount == self.paid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::tests::day;
    use super::*;

    fn invoice(refunded: i64) -> RefundableInvoice {
        let period = Period::new(day("2026-12-01"), day("2027-01-01")).unwrap();
        RefundableInvoice { paid: Kopecks(90_000), refunded: Kopecks(refunded), period }
    }

    #[test]
    fn the_fair_share_is_that_of_the_unused_days() {
        // 90,000 × 16 / 31 = 46,451.6 kopecks.
        assert_eq!(invoice(0).fair_share(day("2026-12-16")), Ok(Kopecks(46_452)));
        assert_eq!(invoice(0).fair_share(day("2026-12-01")), Ok(Kopecks(90_000)));
        assert_eq!(invoice(0).fair_share(day("2027-01-01")), Ok(Kopecks(0)));
        assert_eq!(invoice(6_452).fair_share(day("2026-12-16")), Ok(Kopecks(40_000)));
        assert_eq!(invoice(60_000).fair_share(day("2026-12-16")), Ok(Kopecks(0)));
    }

    #[test]
    fn no_more_than_the_payment_is_returned() {
        assert_eq!(invoice(0).check(None), Ok((Kopecks(90_000), true)));
        assert_eq!(invoice(1).check(None), Ok((Kopecks(89_999), false)));
        assert_eq!(
            invoice(1).check(Some(Kopecks(90_000))),
            Err(InvalidRefund::MoreThanLeft(Kopecks(89_999)))
        );
        assert_eq!(invoice(0).check(Some(Kopecks(0))), Err(InvalidRefund::NotPositive));
        assert_eq!(invoice(90_000).check(None), Err(InvalidRefund::NothingLeft));
    }
}
