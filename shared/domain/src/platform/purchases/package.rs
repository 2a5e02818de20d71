//! What is on offer.

use std::fmt;
use std::str::FromStr;

use crate::money::{Kopecks, MicroCoins};
use crate::platform::billing::LONGEST_BONUS_DAYS;

/// The least a card can pay: T-Bank refuses less with error 251.
const LEAST_PRICE: Kopecks = Kopecks(100);
/// A million roubles: what SBP carries by default, and far below the ten digits `Init` takes.
const HIGHEST_PRICE: Kopecks = Kopecks(100_000_000);
/// A billion coins: far above what any package holds, far below what 64 bits count.
const MOST_COINS: MicroCoins = MicroCoins(1_000_000_000 * MicroCoins::PER_UNIT);
/// A title is a part of a receipt's line, which holds 128 characters.
const LONGEST_TITLE: usize = 64;

/// Names a package through all its versions: 1 to 64 of `a-z`, `0-9`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageCode(String);

impl PackageCode {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PackageCode {
    type Err = InvalidPackage;

    fn from_str(text: &str) -> Result<Self, InvalidPackage> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPackage::Code)
        }
    }
}

/// What a package cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPackage {
    /// Its code.
    #[error("a package's code is 1 to 64 of a-z, 0-9 and `-`")]
    Code,
    /// Its title.
    #[error("a package's title is 1 to 64 characters on one line")]
    Title,
    /// Its price.
    #[error("a package costs 1 to 1,000,000 roubles")]
    Price,
    /// Its coins.
    #[error("a package holds more than nothing and at most 1,000,000,000 coins, bonus included")]
    Coins,
    /// How long its bonus lives.
    #[error("a bonus lives 1 to {LONGEST_BONUS_DAYS} days, and only where there is one")]
    BonusDays,
}

/// What a version of a package says. A changed package is a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTerms {
    /// For people.
    pub title: String,
    /// What it costs.
    pub price: Kopecks,
    /// What is bought. Does not expire.
    pub coins: MicroCoins,
    /// What is given on top; may be nothing.
    pub bonus: MicroCoins,
    /// How long the bonus can be spent; `None`: without end.
    pub bonus_days: Option<u32>,
}

impl PackageTerms {
    /// Finds what is wrong with it.
    pub fn check(&self) -> Result<(), InvalidPackage> {
        let title = self.title.chars();
        if self.title.trim().is_empty() || self.title.chars().count() > LONGEST_TITLE {
            return Err(InvalidPackage::Title);
        }
        if title.into_iter().any(char::is_control) {
            return Err(InvalidPackage::Title);
        }
        if !(LEAST_PRICE..=HIGHEST_PRICE).contains(&self.price) {
            return Err(InvalidPackage::Price);
        }
        let all = self.coins.plus(self.bonus).map_err(|_| InvalidPackage::Coins)?;
        if !self.coins.is_positive() || self.bonus < MicroCoins::ZERO || all > MOST_COINS {
            return Err(InvalidPackage::Coins);
        }
        match self.bonus_days {
            None => Ok(()),
            Some(days) if self.bonus.is_positive() && (1..=LONGEST_BONUS_DAYS).contains(&days) => Ok(()),
            Some(_) => Err(InvalidPackage::BonusDays),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> PackageTerms {
        PackageTerms {
            title: "Стартовый".to_owned(),
            price: Kopecks(50_000),
            coins: MicroCoins(500_000_000),
            bonus: MicroCoins(50_000_000),
            bonus_days: Some(90),
        }
    }

    #[test]
    fn what_cannot_be_sold_is_refused_by_name() {
        assert_eq!(terms().check(), Ok(()));
        for (wrong, why) in [
            (PackageTerms { title: " ".to_owned(), ..terms() }, InvalidPackage::Title),
            (PackageTerms { title: "a\nb".to_owned(), ..terms() }, InvalidPackage::Title),
            (PackageTerms { title: "я".repeat(65), ..terms() }, InvalidPackage::Title),
            (PackageTerms { price: Kopecks(99), ..terms() }, InvalidPackage::Price),
            (PackageTerms { price: Kopecks(100_000_001), ..terms() }, InvalidPackage::Price),
            (PackageTerms { coins: MicroCoins::ZERO, ..terms() }, InvalidPackage::Coins),
            (PackageTerms { coins: MicroCoins(i64::MAX), ..terms() }, InvalidPackage::Coins),
            (PackageTerms { bonus: MicroCoins(-1), ..terms() }, InvalidPackage::Coins),
            (PackageTerms { bonus: MicroCoins::ZERO, ..terms() }, InvalidPackage::BonusDays),
            (PackageTerms { bonus_days: Some(0), ..terms() }, InvalidPackage::BonusDays),
            // Beyond 2038 for a purchase of the thirties, where the database would make it NULL: never.
            (PackageTerms { bonus_days: Some(LONGEST_BONUS_DAYS + 1), ..terms() }, InvalidPackage::BonusDays),
        ] {
            assert_eq!(wrong.check(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn a_code_is_plain() {
        assert!("start-500".parse::<PackageCode>().is_ok());
        for code in ["", "Start", "a b", "пакет", &"x".repeat(65)] {
            assert!(code.parse::<PackageCode>().is_err(), "{code}");
        }
    }
}
