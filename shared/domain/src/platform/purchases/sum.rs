//! Top-ups by any sum: one Flycoin for one rouble, without a bonus.

use super::package::{InvalidPackage, PackageCode, PackageTerms};
use crate::money::{Kopecks, MicroCoins};

/// Smallest sum: 100 roubles.
pub const MIN_SUM: Kopecks = Kopecks(10_000);
/// Largest sum, a million roubles: SBP's default limit, as for packages.
pub const MAX_SUM: Kopecks = Kopecks(100_000_000);
/// Sums are whole roubles.
pub const SUM_STEP: Kopecks = Kopecks(100);
/// Kopecks for one whole Flycoin, when a sum is bought instead of a package.
pub const COIN_PRICE: Kopecks = Kopecks(100);

/// The sum cannot be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum is whole roubles, from {} to {} kopecks", MIN_SUM.0, MAX_SUM.0)]
pub struct InvalidSum;

/// The package that a sum is: every sum has a package of its own, which is never on offer, so that purchases, receipts and
/// refunds need no second kind.
pub fn package_of_sum(sum: Kopecks) -> Result<(PackageCode, PackageTerms), InvalidSum> {
    if !(MIN_SUM..=MAX_SUM).contains(&sum) || sum.0 % SUM_STEP.0 != 0 {
        return Err(InvalidSum);
    }
    let roubles = sum.0 / COIN_PRICE.0;
    let coins = MicroCoins(roubles * MicroCoins::PER_UNIT);
    let terms = PackageTerms {
        title: format!("{roubles} Flycoins"),
        price: sum,
        coins,
        bonus: MicroCoins::ZERO,
        bonus_days: None,
    };
    let invalid = |_: InvalidPackage| InvalidSum;
    let code = format!("{SUM_PREFIX}{roubles}").parse().map_err(invalid)?;
    terms.check().map_err(invalid)?;
    Ok((code, terms))
}

/// Codes of the packages of sums start with this; others may not.
const SUM_PREFIX: &str = "sum-";

/// Whether the code belongs to the package of a sum.
pub fn is_sum(code: &PackageCode) -> bool {
    code.as_str().starts_with(SUM_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rouble_is_a_flycoin_within_the_limits() {
        let (code, terms) = package_of_sum(Kopecks(1_000_000)).unwrap();
        assert_eq!((code.as_str(), terms.title.as_str()), ("sum-10000", "10000 Flycoins"));
        assert_eq!(
            (terms.coins, terms.price),
            (MicroCoins(10_000 * MicroCoins::PER_UNIT), Kopecks(1_000_000))
        );
        assert!(is_sum(&code) && !is_sum(&"start".parse().unwrap()));
        for bad in [0, -10_000, 9_900, 10_050, 100_000_100, i64::MAX] {
            assert_eq!(package_of_sum(Kopecks(bad)), Err(InvalidSum), "{bad}");
        }
        assert!(package_of_sum(MIN_SUM).is_ok() && package_of_sum(MAX_SUM).is_ok());
    }
}
